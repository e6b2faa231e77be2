"""What goes with a film's picture: sound, subtitles and chapters, as the container holds them."""

from __future__ import annotations

import re
import warnings
from fractions import Fraction

from dreamflow.core.errors import DreamFlowWarning
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.write.containers import ContainerFormat

TEXT_SUBTITLE_CODECS = frozenset({"ass", "mov_text", "srt", "ssa", "subrip", "text", "webvtt"})
"""Subtitles that are text, by the names of their codecs; the others are pictures."""


def sound_options(container_format: ContainerFormat, output_spec: OutputSpec) -> list[str]:
    """Return the options that copy the sound, or encode it anew, saying so."""
    sound, fallback = output_spec.sound, container_format.sound_fallback
    if sound is None or not sound.codecs:
        return []
    if fallback is None:
        warnings.warn(f"a {container_format.suffix} has no sound", DreamFlowWarning, 2)
        return []
    options, name = fallback
    strange = sorted(
        {codec for codec in sound.codecs if codec not in container_format.sound_codecs}
    )
    if not strange:
        return ["-map", "1:a", "-c:a", "copy"]
    warnings.warn(
        f"{container_format.suffix} cannot hold {', '.join(strange)} sound: encoded anew as {name}",
        DreamFlowWarning,
        2,
    )
    return ["-map", "1:a", *options]


def subtitle_options(container_format: ContainerFormat, output_spec: OutputSpec) -> list[str]:
    """Return the options that keep the subtitles: as they are in Matroska, else as its text."""
    tracks = output_spec.sound.subtitle_codecs if output_spec.sound else ()
    if tracks and not container_format.codecs:
        warnings.warn(f"a {container_format.suffix} has no subtitles", DreamFlowWarning, 2)
        return []
    lost = list(tracks)
    options: list[str] = []
    for number, codec in enumerate(tracks):
        matroska = container_format.suffix == ".mkv" and codec not in ("mov_text", "unknown")
        if container_format.subtitle_encoder is None or not (
            matroska or codec in TEXT_SUBTITLE_CODECS
        ):
            continue
        lost.remove(codec)
        out = len(tracks) - len(lost) - 1
        encoder = "copy" if matroska else container_format.subtitle_encoder
        options += ["-map", f"1:s:{number}", f"-c:s:{out}", encoder]
    if options:
        # One from before the first frame taken would push the picture back.
        options += ["-bsf:s", "noise=drop=lt(pts\\,0)"]
    if lost:
        warnings.warn(
            f"{container_format.suffix} cannot hold {', '.join(sorted(set(lost)))} subtitles: left out",
            DreamFlowWarning,
            2,
        )
    return options


def output_duration(outline: OutputSpec, frames: int) -> Fraction:
    """Return how many seconds a film of so many frames lasts."""
    return outline.length if frames >= outline.frames else frames / outline.rate


def format_chapters(outline: OutputSpec, frames: int, start_offset: Fraction) -> str:
    """Return the chapters of a film of so many frames as FFmpeg's text of metadata.

    late: seconds from the film's start to its first frame.
    """
    ends = output_duration(outline, frames)
    lines = [";FFMETADATA1"]
    for chapter in outline.chapters:
        if chapter.begin < ends:
            span = (chapter.begin, min(chapter.end, ends))
            begin, end = (round(1000 * (time + start_offset)) for time in span)
            title = re.sub(r"([=;#\\\n])", r"\\\1", chapter.title.rstrip("\\"))
            lines += ["[CHAPTER]", "TIMEBASE=1/1000", f"START={begin}", f"END={end}"]
            lines += [f"title={title}"]
    return "\n".join(lines) + "\n"
