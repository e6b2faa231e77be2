"""Flashes of a dream's strength, which photosensitive viewers must be warned of."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from fractions import Fraction

from dreamflow.core.errors import FlashingWarning, named
from dreamflow.core.schedules.schedule import Schedule
from dreamflow.core.schedules.timecode import Timeline
from dreamflow.pipelines.settings.options import ShowOptions

MAX_FLASHES_PER_S = 3
"""Flashes in a second that are held to be safe (W3C, WCAG 2.3.1)."""
LOW_STRENGTH, HIGH_STRENGTH = 0.25, 0.75
"""A flash goes from at most the one to at least the other."""


def find_flashing(strengths: Sequence[float], rate: Fraction) -> int | None:
    """Return the first frame of a second with more flashes than are safe; None without one.

    Args:
        strengths: How much of the dream is shown in each frame.
        rate: Frames per second.
    """
    rises: list[int] = []
    is_low = False
    for number, strength in enumerate(strengths):
        if strength >= HIGH_STRENGTH and is_low:
            rises.append(number)
        is_low = strength <= LOW_STRENGTH or (is_low and strength < HIGH_STRENGTH)
    for first, last in zip(rises, rises[MAX_FLASHES_PER_S:], strict=False):
        if last - first < rate:
            return first
    return None


def warn_of_flashing(show: ShowOptions, timeline: Timeline) -> None:
    """Warn where the strength of a dream flashes faster than is safe.

    Args:
        show: How much of the dream is shown, with schedules that fit the timeline.
        timeline: The timeline.
    """
    schedule = show.schedules.get("strength")
    if not isinstance(schedule, Schedule):
        return
    frame = find_flashing([schedule.at(moment) for moment in timeline.moments()], timeline.rate)
    if frame is not None:
        warnings.warn(
            f"{named('strength')} flashes more than {MAX_FLASHES_PER_S} times a second from "
            f"{float(frame / timeline.rate):.2f} s on: it may cause seizures in photosensitive "
            "viewers; tell them before you show it",
            FlashingWarning,
            2,
        )
