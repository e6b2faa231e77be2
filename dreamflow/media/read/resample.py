"""Resampling frames to another frame rate by repeating and dropping them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

from dreamflow.core.frames import Frame


def resample_frames(
    frames: Iterable[Frame], rate: Fraction, find_end: Callable[[Frame], Fraction]
) -> Iterator[Frame]:
    """Yield at each even time the frame that is shown then, numbered anew from 0.

    Args:
        frames: Frames in order of time.
        rate: Frames per second to yield.
        find_end: Gives the time in seconds at which the last frame ends.
    """
    shown: Frame | None = None
    number = 0
    for upcoming in frames:
        while shown is not None and number / rate < upcoming.time:
            yield Frame(number, number / rate, shown.picture, original=shown.original)
            number += 1
        shown = upcoming
    if shown is None:
        return
    end = find_end(shown)
    while number / rate < end:
        yield Frame(number, number / rate, shown.picture, original=shown.original)
        number += 1
