"""Chapters of an output, as FFmpeg's metadata text."""

from __future__ import annotations

import re
from fractions import Fraction

from dreamflow.media.output_spec import OutputSpec

CHAPTER_UNITS_PER_S = 1000


def format_chapters(output_spec: OutputSpec, frames: int, start_offset: Fraction) -> str:
    """Return the chapters of an output as a file of FFmpeg's metadata format.

    Args:
        output_spec: The output, with its chapters.
        frames: Number of frames that it has; chapters behind them are left out.
        start_offset: Seconds from the start of the file to its first frame.
    """
    end = output_spec.duration_of(frames)
    lines = [";FFMETADATA1"]
    for chapter in output_spec.chapters:
        if chapter.begin < end:
            span = (chapter.begin, min(chapter.end, end))
            start, stop = (round(CHAPTER_UNITS_PER_S * (time + start_offset)) for time in span)
            title = re.sub(r"([=;#\\\n])", r"\\\1", chapter.title.rstrip("\\"))
            lines += ["[CHAPTER]", f"TIMEBASE=1/{CHAPTER_UNITS_PER_S}", f"START={start}"]
            lines += [f"END={stop}", f"title={title}"]
    return "\n".join(lines) + "\n"
