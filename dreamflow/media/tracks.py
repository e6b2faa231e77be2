"""What goes with a film's picture: sound, subtitles and chapters, as the container holds them."""

from __future__ import annotations

import re
import warnings
from fractions import Fraction

from dreamflow.errors import DreamFlowWarning
from dreamflow.media.formats import Format
from dreamflow.media.outline import Outline

TEXT = frozenset({"ass", "mov_text", "srt", "ssa", "subrip", "text", "webvtt"})
"""Subtitles that are text, by the names of their codecs; the others are pictures."""


def sound_options(kind: Format, outline: Outline) -> list[str]:
    """Return the options that copy the sound, or encode it anew, saying so."""
    sound, fallback = outline.sound, kind.sound_fallback
    if sound is None or not sound.codecs:
        return []
    if fallback is None:
        warnings.warn(f"a {kind.suffix} has no sound", DreamFlowWarning, 2)
        return []
    options, name = fallback
    strange = sorted({codec for codec in sound.codecs if codec not in kind.sound})
    if not strange:
        return ["-map", "1:a", "-c:a", "copy"]
    warnings.warn(
        f"{kind.suffix} cannot hold {', '.join(strange)} sound: encoded anew as {name}",
        DreamFlowWarning,
        2,
    )
    return ["-map", "1:a", *options]


def subtitle_options(kind: Format, outline: Outline) -> list[str]:
    """Return the options that keep the subtitles: as they are in Matroska, else as its text."""
    tracks = outline.sound.subtitles if outline.sound else ()
    if tracks and not kind.codecs:
        warnings.warn(f"a {kind.suffix} has no subtitles", DreamFlowWarning, 2)
        return []
    lost = list(tracks)
    options: list[str] = []
    for number, codec in enumerate(tracks):
        matroska = kind.suffix == ".mkv" and codec not in ("mov_text", "unknown")
        if kind.subtitles is None or not (matroska or codec in TEXT):
            continue
        lost.remove(codec)
        out = len(tracks) - len(lost) - 1
        encoder = "copy" if matroska else kind.subtitles
        options += ["-map", f"1:s:{number}", f"-c:s:{out}", encoder]
    if options:
        # One from before the first frame taken would push the picture back.
        options += ["-bsf:s", "noise=drop=lt(pts\\,0)"]
    if lost:
        warnings.warn(
            f"{kind.suffix} cannot hold {', '.join(sorted(set(lost)))} subtitles: left out",
            DreamFlowWarning,
            2,
        )
    return options


def written_length(outline: Outline, frames: int) -> Fraction:
    """Return how many seconds a film of so many frames lasts."""
    return outline.length if frames >= outline.frames else frames / outline.rate


def chapter_text(outline: Outline, frames: int, late: Fraction) -> str:
    """Return the chapters of a film of so many frames as FFmpeg's text of metadata.

    late: seconds from the film's start to its first frame.
    """
    ends = written_length(outline, frames)
    lines = [";FFMETADATA1"]
    for chapter in outline.chapters:
        if chapter.begin < ends:
            span = (chapter.begin, min(chapter.end, ends))
            begin, end = (round(1000 * (time + late)) for time in span)
            title = re.sub(r"([=;#\\\n])", r"\\\1", chapter.title.rstrip("\\"))
            lines += ["[CHAPTER]", "TIMEBASE=1/1000", f"START={begin}", f"END={end}"]
            lines += [f"title={title}"]
    return "\n".join(lines) + "\n"
