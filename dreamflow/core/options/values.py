"""What texts in settings mean: times, sizes, and steps by octave."""

from __future__ import annotations

import math
import re

from dreamflow.core.errors import SettingsError
from dreamflow.core.options.declaration import Options, flag_of
from dreamflow.core.schedules.timecode import Timecode


def check_timecodes(options: Options, *names: str) -> None:
    """Raise SettingsError where one of these settings is given, and is no time."""
    for name in names:
        try:
            if (text := getattr(options, name)) is not None:
                Timecode.parse(text)
        except SettingsError as error:
            raise SettingsError(f"{flag_of(name)} {error}") from None


def parse_octave_iterations(octave_iterations: str) -> list[int]:
    """Return the steps of each octave, of a list such as 20,10,5,2. Raises SettingsError."""
    counts = [part.strip() for part in octave_iterations.split(",")]
    good = all(re.fullmatch("[0-9]{1,4}", part) and int(part) <= 1000 for part in counts)
    if not good or not any(map(int, counts)):
        raise SettingsError(
            f"--octave-iterations {octave_iterations!r}: write a whole number up to 1000 for each "
            "octave, coarse to fine, such as 20,10,5,2; not all 0"
        )
    return [int(part) for part in counts]


SIZE_PATTERN = re.compile(r"(\d+)(?:\s*[xX]\s*(\d+))?$")


def parse_size(size: str) -> tuple[int, int] | None:
    """Return the (width, height) of `"640x360"`; None of one that only names the longer side.

    Raises SettingsError for what is no size.
    """
    match = SIZE_PATTERN.match(size.strip())
    if not match or int(match[1]) == 0 or (match[2] and int(match[2]) == 0):
        raise SettingsError(
            f"--size {size!r} is not a size: write 640x360, or 640 for the longer side"
        )
    return (int(match[1]), int(match[2])) if match[2] else None


def fit_size(size: str | None, width: int, height: int) -> tuple[int, int]:
    """Return the (width, height) in pixels that `size` gives a picture of (width, height).

    `"640x360"` fits into that box, `"640"` makes the longer side 640, None changes nothing. The
    aspect is kept and both sides are rounded to even numbers, which every film format takes.
    """
    if size is None:
        return width, height
    box = parse_size(size)
    longer = max(width, height)
    scale = min(box[0] / width, box[1] / height) if box else int(size) / longer
    wide, high = (max(2, 2 * math.floor(side * scale / 2 + 0.5)) for side in (width, height))
    return wide, high
