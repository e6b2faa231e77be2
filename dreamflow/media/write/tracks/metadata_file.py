"""Tags and chapters of an output as a file of FFmpeg's metadata format.

A command line holds 128 KiB an argument at most, and the settings of a long schedule are longer.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fractions import Fraction

from dreamflow.media.output_spec import Chapter

CHAPTER_UNITS_PER_S = 1000


def format_metadata_file(
    tags: Mapping[str, str], chapters: Iterable[Chapter], end: Fraction, start_offset: Fraction
) -> str:
    """Return tags and chapters as the text of a metadata file.

    Args:
        tags: Text of each tag by FFmpeg's name.
        chapters: The chapters.
        end: Seconds from the first frame to the end of the last; chapters behind are left out.
        start_offset: Seconds from the start of the output to its first frame.
    """
    lines = [";FFMETADATA1", *(f"{_escape(name)}={_escape(text)}" for name, text in tags.items())]
    for chapter in chapters:
        if chapter.begin < end:
            span = (chapter.begin, min(chapter.end, end))
            start, stop = (round(CHAPTER_UNITS_PER_S * (time + start_offset)) for time in span)
            lines += ["[CHAPTER]", f"TIMEBASE=1/{CHAPTER_UNITS_PER_S}", f"START={start}"]
            lines += [f"END={stop}", f"title={_escape(chapter.title.rstrip(chr(92)))}"]
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    return re.sub(r"([=;#\\\r\n])", r"\\\1", text.replace("\0", ""))
