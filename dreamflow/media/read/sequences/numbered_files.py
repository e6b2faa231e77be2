"""Frame numbers in the names of a sequence's files: `shot_0012.png` is frame 12."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

DIGITS = re.compile(r"([0-9]+)")
MAX_GAPS_NAMED = 4
"""Most gaps that a message lists."""


def find_frame_numbers(files: Sequence[Path]) -> tuple[int, ...] | None:
    """Return the frame number in each file's name, or None where the names are not numbered.

    The names must differ in one number only, and it must rise: a version or a resolution in the
    name is not the frame number, and dates with times are not frame numbers.

    Args:
        files: At least one file, in the order of the frames.
    """
    parts = [DIGITS.split(path.stem) for path in files]
    if any(len(one) != len(parts[0]) or one[::2] != parts[0][::2] for one in parts):
        return None
    runs = list(zip(*(map(int, one[1::2]) for one in parts), strict=True))
    varying = [run for run in runs if len(set(run)) > 1] or runs[-1:]
    if len(varying) != 1 or any(one >= other for one, other in pairwise(varying[0])):
        return None
    return tuple(varying[0])


def find_gaps(numbers: Sequence[int]) -> list[range]:
    """Return the frame numbers that are missing between those of a sequence.

    A sequence may count in steps: 0, 10, 20 misses nothing, and 0, 10, 20, 40 misses 30.

    Args:
        numbers: Rising frame numbers.
    """
    steps = Counter(other - one for one, other in pairwise(numbers))
    step = min(steps, key=lambda size: (-steps[size], size), default=1)
    gaps = (range(one + step, other, step) for one, other in pairwise(numbers))
    return [gap for gap in gaps if gap]


def format_gaps(gaps: Sequence[range]) -> str:
    """Return the numbers in gaps as text, such as `4, 5, 9 to 20`; long lists are shortened."""
    words = [str(gap[0]) if len(gap) == 1 else _format_gap(gap) for gap in gaps[:MAX_GAPS_NAMED]]
    return ", ".join(words) + (", ..." if len(gaps) > MAX_GAPS_NAMED else "")


def _format_gap(gap: range) -> str:
    return f"{gap[0]}, {gap[1]}" if len(gap) == 2 else f"{gap[0]} to {gap[-1]}"
