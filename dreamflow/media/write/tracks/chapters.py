"""Chapters of an output, as FFmpeg's metadata text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction

from dreamflow.media.output_spec import Chapter

CHAPTER_UNITS_PER_S = 1000


def format_chapters(chapters: Iterable[Chapter], end: Fraction, start_offset: Fraction) -> str:
    """Return the chapters of an output as a file of FFmpeg's metadata format.

    Args:
        chapters: The chapters.
        end: Seconds from the first frame to the end of the last; chapters behind are left out.
        start_offset: Seconds from the start of the file to its first frame.
    """
    lines = [";FFMETADATA1"]
    for chapter in chapters:
        if chapter.begin < end:
            span = (chapter.begin, min(chapter.end, end))
            start, stop = (round(CHAPTER_UNITS_PER_S * (time + start_offset)) for time in span)
            title = re.sub(r"([=;#\\\n])", r"\\\1", chapter.title.rstrip("\\"))
            lines += ["[CHAPTER]", f"TIMEBASE=1/{CHAPTER_UNITS_PER_S}", f"START={start}"]
            lines += [f"END={stop}", f"title={title}"]
    return "\n".join(lines) + "\n"
