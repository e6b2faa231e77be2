"""Texts that settings hold: times, sizes, and iterations by octave."""

from __future__ import annotations

import math
import re

from dreamflow.core.errors import SettingsError, named
from dreamflow.core.options.declaration import Options
from dreamflow.core.schedules.timecode import TIMECODE_SYNTAX, Timecode
from dreamflow.core.text.wording import shorten_repr

MAX_OCTAVE_ITERATIONS = 1000
SIZE_SYNTAX = "640x360, or 640 for the longer side, up to 32766"
MAX_SIDE_PX = 32766
"""Longest side that OpenCV warps (SHRT_MAX - 1)."""
_SIZE_PATTERN = re.compile(r"([0-9]{1,9})(?:\s*[xX]\s*([0-9]{1,9}))?$")


def check_timecodes(options: Options, *names: str) -> None:
    """Raise SettingsError if one of these settings is given and is no time."""
    for name in names:
        text = getattr(options, name)
        try:
            if text is not None:
                Timecode.parse(text)
        except SettingsError as error:
            raise SettingsError(
                f"{named(name)} {error.message}", setting=name, value=text, allowed=TIMECODE_SYNTAX
            ) from None


def parse_octave_iterations(octave_iterations: str) -> list[int]:
    """Return the iterations of each octave, coarse to fine, in a list such as `20,10,5,2`.

    Raises:
        SettingsError: An entry is not a whole number up to `MAX_OCTAVE_ITERATIONS`, or all are 0.
    """
    counts = [part.strip() for part in octave_iterations.split(",")]
    are_counts = all(
        re.fullmatch("[0-9]{1,4}", part) and int(part) <= MAX_OCTAVE_ITERATIONS for part in counts
    )
    if not are_counts or not any(map(int, counts)):
        allowed = (
            f"a whole number up to {MAX_OCTAVE_ITERATIONS} for each octave, coarse to fine, such "
            "as 20,10,5,2; not all 0"
        )
        raise SettingsError(
            f"{named('octave_iterations')} {octave_iterations!r}: write {allowed}",
            setting="octave_iterations",
            value=octave_iterations,
            allowed=allowed,
        )
    return [int(part) for part in counts]


def parse_size(size: str) -> tuple[int, int] | None:
    """Return the (width, height) of `640x360`, or None for a longer side alone, as in `640`.

    Raises:
        SettingsError: The text is no size.
    """
    match = _SIZE_PATTERN.match(size.strip())
    sides = [int(side) for side in match.groups() if side] if match else []
    if not match or min(sides) == 0 or max(sides) > MAX_SIDE_PX:
        raise SettingsError(
            f"{named('size')} {shorten_repr(size)} is not a size: write {SIZE_SYNTAX}",
            setting="size",
            value=size,
            allowed=SIZE_SYNTAX,
        )
    return (sides[0], sides[1]) if len(sides) == 2 else None


def fit_size(size: str | None, width: int, height: int) -> tuple[int, int]:
    """Return the (width, height) in pixels that a `size` setting gives a picture.

    The aspect ratio is kept, and both sides are rounded to even numbers, which every video format
    takes.

    Args:
        size: `640x360` fits the picture into that box, `640` makes its longer side 640, None
            changes nothing.
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.

    Raises:
        SettingsError: The text is no size.
    """
    if size is None:
        return width, height
    box = parse_size(size)
    scale = min(box[0] / width, box[1] / height) if box else int(size) / max(width, height)
    new_width, new_height = (
        max(2, 2 * math.floor(side * scale / 2 + 0.5)) for side in (width, height)
    )
    return new_width, new_height
