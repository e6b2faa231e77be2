"""Timecodes as users write them, and the timeline that they refer to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from dreamflow.core.errors import SettingsError
from dreamflow.core.schedules.signals import Signals

MAX_TIMECODE_CHARS = 40
"""Longest text of a time."""
TIMECODE_SYNTAX = "48 (a frame), 2s, 1:02.5 or 40%"
BEAT_TIMECODE_SYNTAX = "48 (a frame), 2s, 1:02.5, 40%, 8b (a beat) or 2bar"
BEAT_UNITS = ("beats", "bars")


@dataclass(frozen=True)
class Timecode:
    """A time as it was written.

    Attributes:
        amount: Number of units, 0 or more.
        unit: "frames", "seconds" or "percent" of the timeline; "beats" or "bars" of the music.
    """

    amount: Fraction
    unit: Literal["frames", "seconds", "percent", "beats", "bars"]

    @classmethod
    def parse(cls, text: str, in_beats: bool = False) -> Timecode:
        """Return the time that a text such as `48`, `2s`, `1:02.5` or `40%` names.

        Args:
            text: The text.
            in_beats: Whether it may be in beats, too, as `8b` and `2bar` are.

        Raises:
            SettingsError: The text is no time.
        """
        text, syntax = text.strip(), BEAT_TIMECODE_SYNTAX if in_beats else TIMECODE_SYNTAX
        if len(text) > MAX_TIMECODE_CHARS:
            raise SettingsError(
                f"{text[:MAX_TIMECODE_CHARS]!r}... is not a time: write {syntax}",
                value=text,
                allowed=syntax,
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
        if in_beats and (match := re.fullmatch(r"([0-9]+(?:\.[0-9]*)?)\s*(b|bars?)", text)):
            return cls(Fraction(match[1]), "beats" if match[2] == "b" else "bars")
        raise SettingsError(f"{text!r} is not a time: write {syntax}", value=text, allowed=syntax)

    def to_seconds(self, timeline: Timeline) -> Fraction:
        """Return the time in seconds from the start of a timeline.

        Beats are counted over the whole source: those before the part that a timeline shows come
        before its start.

        Raises:
            ValueError: It is in beats, and the timeline has none.
        """
        if self.unit in BEAT_UNITS:
            return timeline.time_of_beat(self.amount, in_bars=self.unit == "bars")
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
        signals: What its schedules hear, if anything.
    """

    rate: Fraction
    length: Fraction
    offset: Fraction = Fraction(0)
    is_partial: bool = False
    signals: Signals | None = None

    def time_of_beat(self, amount: Fraction, in_bars: bool = False) -> Fraction:
        """Return the time of a beat or a bar, in seconds. Raises ValueError without beats."""
        if self.signals is None or self.signals.beats is None:
            raise ValueError("there are no beats")
        beats = self.signals.beats
        beat = amount * beats.beats_per_bar if in_bars else amount
        return beats.time_of(beat) - self.signals.start

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
        step: Seconds that what is shown stays, where that is not a frame of the timeline.
    """

    time: Fraction = Fraction(0)
    timeline: Timeline | None = None
    step: Fraction | None = None

    @property
    def span(self) -> Fraction:
        """Seconds that what is shown stays."""
        if self.step is not None:
            return self.step
        return Fraction(1) if self.timeline is None else 1 / self.timeline.rate

    def hear(self, name: str) -> float:
        """Return what a signal is at this moment; 0 for a still.

        Raises:
            ValueError: The timeline has no such signal.
        """
        if self.timeline is None:
            return 0.0
        if self.timeline.signals is None:
            raise ValueError(f"there is no {name}")
        return self.timeline.signals.value(name, self.time, self.span)

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
