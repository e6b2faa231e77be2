"""Frame delays of animated pictures that browsers keep.

Browsers show a frame whose delay is 10 ms or less for 100 ms, in GIF, WebP and APNG alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from dreamflow.media.write.frame_times import FrameTimes


@dataclass(frozen=True)
class AnimationTiming:
    """How an animated format counts time.

    Attributes:
        unit: Seconds of one unit of a delay.
        min_delay: Shortest delay that browsers keep, in units.
    """

    unit: Fraction
    min_delay: int

    @property
    def max_rate(self) -> Fraction:
        """Frames per second that browsers show at most."""
        return 1 / (self.unit * self.min_delay)


ANIMATION_TIMING_BY_SUFFIX = {
    ".gif": AnimationTiming(Fraction(1, 100), 2),
    ".webp": AnimationTiming(Fraction(1, 1000), 11),
}


@dataclass(frozen=True)
class ShownFrames:
    """Which frames of an output an animated picture shows.

    Attributes:
        starts: By number of each frame that is shown: when, in units of the timing.
        end: When the last one ends, in units of the timing.
    """

    starts: dict[int, int]
    end: int


def choose_shown_frames(times: FrameTimes, timing: AnimationTiming) -> ShownFrames:
    """Choose the frames that an animated picture shows, so that no delay is too short.

    A frame that would begin when the next one does is left out, and so is a last one for which
    there is no time. So frames that come evenly are dropped evenly, and the length stays.

    Args:
        times: When the frames of the output are shown.
        timing: How the format counts time.
    """
    natural = [round(time / timing.unit) for time in (*times.starts, times.end)]
    starts = {0: 0}
    earliest = timing.min_delay
    for number, (start, following) in enumerate(pairwise(natural[1:]), start=1):
        begin = max(start, earliest)
        is_last = number + 1 == len(times.starts)
        if following <= begin or (is_last and following < begin + timing.min_delay):
            continue
        starts[number] = begin
        earliest = begin + timing.min_delay
    return ShownFrames(starts, max(earliest, natural[-1]))
