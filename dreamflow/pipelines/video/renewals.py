"""When a fresh dream is to tell how strong the carried one is now."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

from dreamflow.dream.options import DreamOptions
from dreamflow.pipelines.settings.timeline import FrameSettings
from dreamflow.temporal.control.gains import Gains

ROUNDING_S = 1e-6
"""Seconds by which a fresh dream may come early: times in floating point are not exact."""


class Renewals:
    """The times of a shot's fresh dreams, of whole frames and of what moves by itself."""

    def __init__(self, gains: Gains, reference_varies: bool) -> None:
        """Wait for the first frame of a shot.

        Args:
            gains: The constants.
            reference_varies: Whether what a dream is measured by changes over time.
        """
        self._gains, self._reference_varies = gains, reference_varies
        self._last: tuple[DreamOptions, Fraction] | None = None

    @property
    def time(self) -> Fraction | None:
        """Time of the last fresh dream in seconds; None at the beginning of a shot."""
        return self._last and self._last[1]

    def reset(self) -> None:
        """Begin a new shot."""
        self._last = None

    def restore(self, now: FrameSettings, time: Fraction) -> None:
        """Go on from a fresh dream at a time, made with the settings of then."""
        self._last = (_options_of(now), time)

    def take_frame(self, now: FrameSettings, time: Fraction) -> bool:
        """Return whether a carried frame is to be dreamed afresh as well, and count from it then.

        Args:
            now: Settings of the frame.
            time: Its time in seconds.
        """
        if now.carry.firmness == 0:
            return False
        if self._last is None:
            self.restore(now, time)
            return False
        is_due = abs(float(time - self._last[1])) >= self._interval(now) - ROUNDING_S
        if is_due:
            self.restore(now, time)
        return is_due

    def is_due_for_movers(self, now: FrameSettings, before: Fraction, time: Fraction) -> bool:
        """Return whether what moves by itself is to be dreamed afresh alone.

        Args:
            now: Settings of the frame.
            before: Time in seconds of the frame before.
            time: That of the frame.
        """
        first, interval = self._gains.renewal_first_movers, self._gains.renewal_interval_movers
        if self._last is None or self._interval(now) <= interval:
            return False
        ages = (abs(float(moment - self._last[1])) for moment in (before, time))
        earlier, later = (math.floor((age - first) / interval + ROUNDING_S) for age in ages)
        return later > earlier

    def _interval(self, now: FrameSettings) -> float:
        """Return the seconds between fresh dreams of the frame: fewer where a dream changes."""
        steady = self._last is None or _options_of(now) == self._last[0]
        if steady and not self._reference_varies:
            return self._gains.renewal_interval
        return self._gains.renewal_interval_changing


def _options_of(now: FrameSettings) -> DreamOptions:
    """Return the settings of a dream, whose changes ask for fresh dreams more often."""
    return replace(now.options, layer=())
