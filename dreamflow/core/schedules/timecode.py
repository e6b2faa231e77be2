"""Timecodes as users write them, and the timeline that they refer to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from dreamflow.core.errors import SettingsError

MAX_TIMECODE_CHARS = 40
"""Longest text of a time."""
TIMECODE_SYNTAX = "48 (a frame), 2s, 1:02.5 or 40%"


@dataclass(frozen=True)
class Timecode:
    """A time as it was written.

    Attributes:
        amount: Number of units, 0 or more.
        unit: "frames", "seconds" or "percent" of the timeline.
    """

    amount: Fraction
    unit: Literal["frames", "seconds", "percent"]

    @classmethod
    def parse(cls, text: str) -> Timecode:
        """Return the time that a text such as `48`, `2s`, `1:02.5` or `40%` names.

        Raises:
            SettingsError: The text is no time.
        """
        text = text.strip()
        if len(text) > MAX_TIMECODE_CHARS:
            raise SettingsError(
                f"{text[:MAX_TIMECODE_CHARS]!r}... is not a time: write {TIMECODE_SYNTAX}",
                value=text,
                allowed=TIMECODE_SYNTAX,
            )
        if re.fullmatch(r"[0-9]+", text):
            return cls(Fraction(text), "frames")
        if match := re.fullmatch(r"([0-9]+(?:\.[0-9]*)?)\s*%", text):
            return cls(Fraction(match[1]), "percent")
        if match := re.fullmatch(r"([0-9]+(?:\.[0-9]*)?)\s*s", text):
            return cls(Fraction(match[1]), "seconds")
        if match := re.fullmatch(r"(?:([0-9]+):)?([0-9]+):([0-9]+(?:\.[0-9]*)?)", text):
            hours, minutes = int(match[1] or 0), int(match[2])
            return cls(hours * 3600 + minutes * 60 + Fraction(match[3]), "seconds")
        raise SettingsError(
            f"{text!r} is not a time: write {TIMECODE_SYNTAX}", value=text, allowed=TIMECODE_SYNTAX
        )

    def to_seconds(self, timeline: Timeline) -> Fraction:
        """Return the time in seconds from the start of a timeline."""
        if self.unit == "frames":
            return self.amount / timeline.rate
        if self.unit == "percent":
            return self.amount * timeline.length / 100
        return self.amount


@dataclass(frozen=True)
class Timeline:
    """The time of an output, which schedules refer to.

    Attributes:
        rate: Frames per second, the mean where frames are unevenly spaced.
        length: Seconds.
        offset: Seconds at which the frames at hand start, if they are a part of the output.
        is_partial: Whether the output is a part of its source, so that schedules may reach past
            its end.
    """

    rate: Fraction
    length: Fraction
    offset: Fraction = Fraction(0)
    is_partial: bool = False

    def moment_at(self, time: Fraction) -> Moment:
        """Return the moment of a frame `time` seconds after the first of the frames at hand."""
        return Moment(self.offset + time, self)

    def moments(self) -> Iterator[Moment]:
        """Yield the moment of each frame of the output."""
        for number in range(max(1, -int(-self.length * self.rate // 1))):
            yield Moment(number / self.rate, self)


@dataclass(frozen=True)
class Moment:
    """A time on a timeline.

    Attributes:
        time: Seconds from the start of the timeline.
        timeline: None for a still, for which only the start of schedules counts.
    """

    time: Fraction = Fraction(0)
    timeline: Timeline | None = None

    def __str__(self) -> str:
        """Return the time in words: `3.25 s (frame 78)`, the frame counted from 0."""
        seconds = f"{float(self.time):.2f} s"
        if self.timeline is None:
            return seconds
        return f"{seconds} (frame {int(self.time * self.timeline.rate)})"

    @property
    def progress(self) -> float:
        """Share of the timeline that has passed, from 0 at the first frame to 1 at the end."""
        if self.timeline is None or self.timeline.length <= 0:
            return 0.0
        return float(min(Fraction(1), max(Fraction(0), self.time / self.timeline.length)))
