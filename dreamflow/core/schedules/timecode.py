"""Times as people write them, and the timeline that gives them a meaning."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from dreamflow.core.errors import SettingsError

TIMECODE_SYNTAX = "48 (a frame), 2s, 1:02.5 or 40%"


@dataclass(frozen=True)
class Timecode:
    """A time as it was written: `amount` frames, seconds or percent."""

    amount: Fraction
    unit: Literal["frames", "seconds", "percent"]

    @classmethod
    def parse(cls, text: str) -> Timecode:
        """Return the time that `48`, `2s`, `1:02.5` or `40%` names, or raise SettingsError."""
        text = text.strip()
        if re.fullmatch(r"[0-9]+", text):
            return cls(Fraction(text), "frames")
        if match := re.fullmatch(r"([0-9]+(?:\.[0-9]*)?)\s*%", text):
            return cls(Fraction(match[1]), "percent")
        if match := re.fullmatch(r"([0-9]+(?:\.[0-9]*)?)\s*s", text):
            return cls(Fraction(match[1]), "seconds")
        if match := re.fullmatch(r"(?:([0-9]+):)?([0-9]+):([0-9]+(?:\.[0-9]*)?)", text):
            hours, minutes = int(match[1] or 0), int(match[2])
            return cls(hours * 3600 + minutes * 60 + Fraction(match[3]), "seconds")
        raise SettingsError(f"{text!r} is not a time: write {TIMECODE_SYNTAX}")

    def to_seconds(self, timeline: Timeline) -> Fraction:
        """Return the time in seconds from the beginning of a timeline."""
        if self.unit == "frames":
            return self.amount / timeline.rate
        if self.unit == "percent":
            return self.amount * timeline.length / 100
        return self.amount


@dataclass(frozen=True)
class Timeline:
    """The time of an output, which schedules count in.

    rate: frames per second (the mean one, where frames come unevenly). length: seconds. begin:
    seconds on it at which the frames at hand begin, where they are a piece of the whole. part:
    whether the output is only a part of its source, so that a schedule may well reach beyond it.
    """

    rate: Fraction
    length: Fraction
    offset: Fraction = Fraction(0)
    is_partial: bool = False

    def moment_at(self, time: Fraction) -> Moment:
        """Return the moment of a frame; time: seconds from the first of the frames at hand."""
        return Moment(self.offset + time, self)

    def moments(self) -> Iterator[Moment]:
        """Yield the moment of each frame of the whole."""
        for number in range(max(1, -int(-self.length * self.rate // 1))):
            yield Moment(number / self.rate, self)


@dataclass(frozen=True)
class Moment:
    """A time on a timeline, in seconds; without a timeline (a still), the beginning."""

    time: Fraction = Fraction(0)
    timeline: Timeline | None = None

    @property
    def progress(self) -> float:
        """Share of the timeline that has passed: 0 at the first frame, 1 at the end."""
        if self.timeline is None or self.timeline.length <= 0:
            return 0.0
        return float(min(Fraction(1), max(Fraction(0), self.time / self.timeline.length)))
