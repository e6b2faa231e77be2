"""The kinds of film that can be written, by the suffix of the output."""

from __future__ import annotations

import warnings
from collections.abc import Container, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dreamflow.core.errors import DependencyError, DreamFlowWarning, OutputError, SettingsError
from dreamflow.core.options.declaration import flag_of
from dreamflow.media.options import EncodeOptions
from dreamflow.media.write.codecs import VideoEncoding, lossless_rgb_encoding, make_video_encoding


@dataclass(frozen=True)
class ContainerFormat:
    """How one kind of film is written.

    codecs: those that the container holds, the usual one first; none where the film is made of the
    exact frames when it is whole. sound: codecs that the container holds as they are.
    sound_fallback: ffmpeg's options for others, and the codec's name; None where there is no sound
    at all. subtitles: FFmpeg's encoder of their text; None where there are none.
    """

    suffix: str
    codecs: tuple[str, ...]
    sound_codecs: frozenset[str]
    sound_fallback: tuple[tuple[str, ...], str] | None
    subtitle_encoder: str | None = None
    muxer_options: tuple[str, ...] = ()

    def video_encoding(self, encode: EncodeOptions) -> VideoEncoding:
        """Return how the picture is encoded.

        Raises SettingsError for a codec that the container does not hold or that cannot be written
        so, DependencyError where ffmpeg lacks it.
        """
        codec = encode.codec
        if codec != "auto" and codec not in self.codecs:
            fitting = [
                kind.suffix for kind in CONTAINER_FORMAT_BY_SUFFIX.values() if codec in kind.codecs
            ]
            held = f"{self.suffix} holds {', '.join(self.codecs)}" if self.codecs else ""
            raise SettingsError(
                f"{self.suffix} cannot hold {codec}, which goes into {', '.join(fitting)}"
                + (f"; {held}" if held else "")
            )
        if self.codecs:
            return make_video_encoding(self.codecs[0] if codec == "auto" else codec, encode)
        if encode.lossless and self.suffix == ".gif":
            raise SettingsError("a .gif has 256 colours: --lossless is for .webp, .mkv and others")
        return lossless_rgb_encoding()


AAC_FALLBACK = (("-c:a", "aac", "-b:a", "192k"), "AAC")
OPUS_FALLBACK = (
    # libopus refuses "5.1(side)" and its like: they are brought to a layout that it knows.
    ("-c:a", "libopus", "-b:a", "160k", "-af", "aformat=channel_layouts=7.1|5.1|stereo|mono"),
    "Opus",
)
MP4_SOUND_CODECS = frozenset({"aac", "mp3", "mp3float", "ac3", "eac3", "alac", "opus", "libopus"})
MOV_SOUND_CODECS = frozenset({"aac", "mp3", "mp3float", "ac3", "alac", "pcm_s16le", "pcm_s24le"})
MKV_SOUND_CODECS = (
    MP4_SOUND_CODECS | MOV_SOUND_CODECS | {"vorbis", "libvorbis", "flac", "mp2", "mp2float", "dca"}
)
WEBM_SOUND_CODECS = frozenset({"opus", "libopus", "vorbis", "libvorbis"})
FASTSTART_OPTIONS = ("-movflags", "+faststart")

CONTAINER_FORMAT_BY_SUFFIX = {
    kind.suffix: kind
    for kind in (
        ContainerFormat(
            ".mp4",
            ("h264", "h265", "av1", "vp9"),
            MP4_SOUND_CODECS,
            AAC_FALLBACK,
            "mov_text",
            FASTSTART_OPTIONS,
        ),
        ContainerFormat(
            ".m4v",
            ("h264", "h265"),
            MP4_SOUND_CODECS,
            AAC_FALLBACK,
            "mov_text",
            ("-f", "mp4", *FASTSTART_OPTIONS),
        ),
        ContainerFormat(
            ".mov",
            ("h264", "h265", "prores"),
            MOV_SOUND_CODECS,
            AAC_FALLBACK,
            "mov_text",
            FASTSTART_OPTIONS,
        ),
        ContainerFormat(
            ".mkv",
            ("h264", "h265", "av1", "vp9", "prores", "ffv1"),
            MKV_SOUND_CODECS,
            AAC_FALLBACK,
            "subrip",
        ),
        ContainerFormat(".webm", ("vp9", "av1"), WEBM_SOUND_CODECS, OPUS_FALLBACK, "webvtt"),
        ContainerFormat(".gif", (), frozenset(), None),
        ContainerFormat(".webp", (), frozenset(), None),
    )
}


def container_format_for(path: Path) -> ContainerFormat | None:
    """Return the format of an output by its suffix; None for a folder of pictures (no suffix).

    Raises OutputError for a suffix that is not known.
    """
    suffix = path.suffix.lower()
    if path.name.lower() in CONTAINER_FORMAT_BY_SUFFIX:
        raise OutputError(f"{path} is only a suffix; give the output a name")
    if not suffix:
        return None
    if suffix not in CONTAINER_FORMAT_BY_SUFFIX:
        raise OutputError(
            f"{path}: {suffix} is not a format DreamFlow writes; use {', '.join(CONTAINER_FORMAT_BY_SUFFIX)}, or a "
            "name without suffix for a folder of PNGs"
        )
    return CONTAINER_FORMAT_BY_SUFFIX[suffix]


def ignored_encode_settings(kind: ContainerFormat | None) -> tuple[tuple[str, ...], str]:
    """Return the settings that do nothing for a format, by name, and what it is called.

    A folder of pictures, and a film whose every pixel is kept, have no quality to choose.
    """
    if kind is None:
        return ("codec", "quality", "crf"), "a folder of PNGs"
    return () if kind.codecs else ("quality", "crf"), f"a {kind.suffix}"


def check_encode_options(path: Path, encode: EncodeOptions) -> None:
    """Raise OutputError or SettingsError where an output cannot be written so; see `Format.recipe`.

    Warns of what does nothing for it.
    """
    kind = container_format_for(path)
    if kind:
        kind.video_encoding(encode)
    names, what = ignored_encode_settings(kind)
    for name in names:
        if getattr(encode, name) != getattr(EncodeOptions, name):
            warnings.warn(f"{flag_of(name)} does nothing for {what}", DreamFlowWarning, 2)


def find_unusable_settings(
    path: Path, requested: Mapping[str, Any], droppable: Container[str]
) -> dict[str, tuple[Any, str]]:
    """Return the settings of `EncodeOptions` that an output has no use for: each value, and why.

    wanted: settings by name. loose: those that may be left out. Raises SettingsError or
    DependencyError where it cannot be written even without them.
    """
    try:
        kind = container_format_for(path)
    except OutputError:
        return {}  # for `check_encode` to say
    kept = EncodeOptions(**{name: requested[name] for name in requested if name not in droppable})
    if kind:
        kind.video_encoding(kept)
    names, what = ignored_encode_settings(kind)
    found: dict[str, tuple[Any, str]] = {}
    for name, value in requested.items():
        if name not in droppable or value == getattr(EncodeOptions, name):
            continue
        try:
            if name in names:
                raise SettingsError(f"it does nothing for {what}")
            more = replace(kept, **{name: value})
            if kind:
                kind.video_encoding(more)
            kept = more
        except (SettingsError, DependencyError) as error:
            found[name] = (value, str(error))
    return found
