"""SMPTE time codes, `01:02:03:04`, as cameras and editors write them into films."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

TIMECODE_PATTERN = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2})([:;.])(\d{1,3})")
DROPPED_NUMBERS_PER_MINUTE = Fraction(2, 30)
"""Frame numbers that drop-frame time code leaves out each minute but every tenth, as a share of the
frames of a second: 2 of 30, 4 of 60 (SMPTE ST 12-1)."""


@dataclass(frozen=True)
class _Counting:
    """How frames are numbered: so many in a second, and whether numbers are dropped."""

    fps: int
    drops: bool

    @property
    def dropped(self) -> int:
        return int(self.fps * DROPPED_NUMBERS_PER_MINUTE) if self.drops else 0

    @property
    def frames_per_minute(self) -> int:
        return 60 * self.fps - self.dropped

    @property
    def frames_per_ten_minutes(self) -> int:
        return 600 * self.fps - 9 * self.dropped

    def count(self, hours: int, minutes: int, seconds: int, frames: int) -> int:
        """Return the number of frames since midnight."""
        all_minutes = 60 * hours + minutes
        numbered = (60 * all_minutes + seconds) * self.fps + frames
        return numbered - self.dropped * (all_minutes - all_minutes // 10)

    def format(self, count: int) -> str:
        """Return the time code of a frame since midnight; a day later it begins again."""
        tens, rest = divmod(
            count % (144 * self.frames_per_ten_minutes), self.frames_per_ten_minutes
        )
        skipped = 9 * self.dropped * tens
        if self.dropped and rest >= 60 * self.fps:
            skipped += self.dropped * (1 + (rest - 60 * self.fps) // self.frames_per_minute)
        seconds, frames = divmod(count % (144 * self.frames_per_ten_minutes) + skipped, self.fps)
        minutes, seconds = divmod(seconds, 60)
        separator = ";" if self.drops else ":"
        return f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}{separator}{frames:02d}"


def shift_timecode(
    timecode: str, rate: Fraction, by: Fraction, new_rate: Fraction | None = None
) -> str:
    """Return the time code some time later, perhaps at another frame rate.

    Args:
        timecode: `01:02:03:04`, or `01:02:03;04` with dropped numbers.
        rate: Frames per second of the film that it is of.
        by: Seconds to add.
        new_rate: Frames per second of the film that it goes to; None is the same.

    Returns:
        The time code, or "" where the text is none.
    """
    match = TIMECODE_PATTERN.fullmatch(timecode.strip())
    if match is None:
        return ""
    new_rate = new_rate or rate
    if by == 0 and new_rate == rate:
        return timecode.strip()
    *times, separator, frame = match.groups()
    drops = separator != ":" and round(rate) % 30 == 0
    hours, minutes, seconds = map(int, times)
    count = _Counting(max(1, round(rate)), drops).count(hours, minutes, seconds, int(frame))
    new_fps = max(1, round(new_rate))
    new_counting = _Counting(new_fps, drops and new_fps % 30 == 0)
    return new_counting.format(int((count / rate + by) * new_rate + Fraction(1, 2)))
