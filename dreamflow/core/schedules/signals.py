"""What schedules hear: levels, onsets and beats over the source's time.

Times are seconds from the source's first frame, whichever part of it an output shows.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

AUDIO, DATA = "audio", "data"
"""The names before the dot of what is heard, and of series from files."""
LEVEL_NAMES = ("loud", "bass", "mid", "high")
ONSET_NAMES = ("onset", "bass_onset", "mid_onset", "high_onset")
AUDIO_NAMES = tuple(f"{AUDIO}.{name}" for name in (*LEVEL_NAMES, *ONSET_NAMES))
BEAT_NAMES = ("beat", "bar", "bpm")
"""Beats and bars since the first beat, in fractions; and beats a minute."""


class Series(Protocol):
    """A value over time."""

    def at(self, seconds: float) -> float:
        """Return the value at a time."""
        ...


@dataclass(frozen=True)
class EvenSeries:
    """Values at even distances, linear between them, and 0 before the first and after the last.

    Attributes:
        values: The values.
        rate: Values a second.
        begin: Seconds at which the first lies.
    """

    values: Sequence[float]
    rate: float
    begin: float = 0.0

    def at(self, seconds: float) -> float:
        """Return the value at a time."""
        place = (seconds - self.begin) * self.rate
        if not 0 <= place <= len(self.values) - 1:
            return 0.0
        before = int(place)
        first = float(self.values[before])
        if before == place:
            return first
        return first + (float(self.values[before + 1]) - first) * (place - before)


@dataclass(frozen=True)
class PointSeries:
    """Values at times of their own, linear between them; the first and the last one stay.

    Attributes:
        times: Seconds, in order.
        values: The value at each.
    """

    times: Sequence[float]
    values: Sequence[float]

    def at(self, seconds: float) -> float:
        """Return the value at a time."""
        after = bisect_right(self.times, seconds)
        if after == 0 or after == len(self.times):
            return float(self.values[min(after, len(self.values) - 1)])
        begin, end = self.times[after - 1], self.times[after]
        first, second = float(self.values[after - 1]), float(self.values[after])
        return first + (second - first) * (seconds - begin) / (end - begin)


@dataclass(frozen=True)
class BeatGrid:
    """Beats, counted from 0; before the first and after the last one they go on evenly.

    Attributes:
        times: Seconds of the beats, in order; two at least.
        beats_per_bar: How many make a bar, which begins with beat 0.
        bpm: Beats a minute.
    """

    times: Sequence[float]
    beats_per_bar: int
    bpm: float

    def position(self, seconds: float) -> float:
        """Return the beat at a time: 2.5 in the middle between beats 2 and 3."""
        after = min(max(bisect_right(self.times, seconds), 1), len(self.times) - 1)
        begin, end = float(self.times[after - 1]), float(self.times[after])
        return after - 1 + (seconds - begin) / (end - begin)

    def time_of(self, beat: Fraction) -> Fraction:
        """Return the time of a beat, in seconds."""
        before = min(max(int(beat // 1), 0), len(self.times) - 2)
        begin, end = (Fraction(float(self.times[n])) for n in (before, before + 1))
        return begin + (end - begin) * (beat - before)


@dataclass(frozen=True)
class Signals:
    """What the schedules of a timeline hear.

    Attributes:
        digest: A hash of all values: signals with the same are the same.
        start: Seconds from the source's first frame to the timeline's time 0.
        levels: Values over time by name, such as "audio.bass" or "data.wind".
        onsets: Seconds of onsets, in order, by name, such as "audio.onset".
        beats: The beats, if there are any.
    """

    digest: str
    start: Fraction = Fraction(0)
    levels: Mapping[str, Series] = field(
        default_factory=dict[str, Series], compare=False, repr=False
    )
    onsets: Mapping[str, Sequence[float]] = field(
        default_factory=dict[str, Sequence[float]], compare=False, repr=False
    )
    beats: BeatGrid | None = field(default=None, compare=False, repr=False)

    @property
    def names(self) -> frozenset[str]:
        """The names that these signals answer to."""
        return frozenset((*self.levels, *self.onsets, *(BEAT_NAMES if self.beats else ())))

    def value(self, name: str, time: Fraction, span: Fraction) -> float:
        """Return what a signal is in a frame: its value in the middle of it.

        An onset is 1 in the frame that it lies in, and 0 in all others.

        Args:
            name: One of `names`.
            time: Seconds from the timeline's time 0 to the frame's beginning.
            span: Seconds that the frame lasts.

        Raises:
            ValueError: There is no such signal.
        """
        begin = self.start + time
        if name in self.onsets:
            times = self.onsets[name]
            first = bisect_left(times, float(begin))
            return float(first < len(times) and times[first] < float(begin + span))
        middle = float(begin + span / 2)
        if name in self.levels:
            return self.levels[name].at(middle)
        if self.beats is None or name not in BEAT_NAMES:
            raise ValueError(f"there is no {name}")
        if name == "bpm":
            return self.beats.bpm
        position = self.beats.position(middle)
        return position if name == "beat" else position / self.beats.beats_per_bar
