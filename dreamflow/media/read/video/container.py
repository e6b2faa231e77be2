"""Choosing the tracks of a video file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import av.container

from dreamflow.core.errors import MediaError, SettingsError, named

LANGUAGE_CODE_PAIRS = (
    "alb=sqi arm=hye baq=eus bur=mya chi=zho cze=ces dut=nld fre=fra geo=kat ger=deu gre=ell "
    "ice=isl mac=mkd mao=mri may=msa per=fas rum=ron slo=slk tib=bod wel=cym"
)
"""Languages with two codes in ISO 639-2: the bibliographic one, and the terminological one."""
TERMINOLOGICAL_CODE = {pair[:3]: pair[4:] for pair in LANGUAGE_CODE_PAIRS.split()}


def find_video_track(
    path: Path, container: av.container.InputContainer, wanted: str | None = None
) -> av.VideoStream:
    """Return a container's main video track, or the one that is asked for.

    Args:
        path: The file, for messages.
        container: The file, opened.
        wanted: Number of a video track, from 0, or its language, such as "ger".

    Raises:
        MediaError: There is no video, or its codec is unknown.
        SettingsError: There is no such track.
    """
    if wanted is not None:
        stream = container.streams.video[
            find_track(path, list(container.streams.video), "video_track", wanted)
        ]
    else:
        stream = container.streams.best("video")
    if stream is None:
        content = "only sound" if container.streams.audio else "no video"
        raise MediaError(f"{path} holds {content}: there is nothing to dream on", where=str(path))
    assert isinstance(stream, av.VideoStream)
    decoder: Any = stream.codec_context  # PyAV's stubs leave out that it may be None
    if decoder is None:
        raise MediaError(
            f"{path} is damaged, or in a codec that FFmpeg does not know", where=str(path)
        )
    return stream


def find_track(path: Path, tracks: list[Any], setting: str, wanted: str) -> int:
    """Return the number, among tracks of one kind, of the track that a setting asks for.

    Args:
        path: The file, for messages.
        tracks: PyAV's streams of one kind, in order.
        setting: "video_track" or "audio_track".
        wanted: Number from 0, or language.

    Raises:
        SettingsError: There is no such track; the message lists those that there are.
    """
    if wanted.isdecimal() and int(wanted) < len(tracks):
        return int(wanted)
    languages = [_canonical_language(track.language or "") for track in tracks]
    if _canonical_language(wanted) in languages:
        return languages.index(_canonical_language(wanted))
    allowed = ", ".join(describe_track(n, track) for n, track in enumerate(tracks)) or "none"
    raise SettingsError(
        f"{named(setting)} {wanted}: {path} has no such track; it has {allowed}",
        setting=setting,
        value=wanted,
        allowed=allowed,
        where=str(path),
    )


def _canonical_language(code: str) -> str:
    """Return the one code of a language, "deu" for "GER"."""
    return TERMINOLOGICAL_CODE.get(code.lower(), code.lower())


def describe_track(number: int, track: Any) -> str:
    """Return a track in words: `1 (ger, aac, "Commentary")`."""
    decoder = track.codec_context
    facts = [track.language, decoder and decoder.name]
    facts += [f'"{track.metadata["title"]}"'] if track.metadata.get("title") else []
    return f"{number} ({', '.join(str(fact) for fact in facts if fact)})"
