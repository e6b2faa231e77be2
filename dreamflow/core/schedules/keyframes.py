"""Keyframes in order of time, and where a moment lies between them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction

from dreamflow.core.errors import SettingsError, named
from dreamflow.core.schedules.signals import AUDIO, BEAT_NAMES, DATA
from dreamflow.core.schedules.timecode import BEAT_UNITS, Moment, Timecode, Timeline

INTERPOLATIONS = ("linear", "smooth", "hold")
"""From a keyframe to the next: linear; smoothstep, 3x^2 - 2x^3; constant until the next."""
INTERPOLATIONS_TEXT = " or ".join([", ".join(INTERPOLATIONS[:-1]), INTERPOLATIONS[-1]])


@dataclass(frozen=True)
class Keyframe:
    """A value at a time, as text.

    Attributes:
        number: Position from 1; 0 for a value without a time.
        text: The whole keyframe as it was written.
        timecode: Its time.
        value: Text of its value.
        interpolation: One of `INTERPOLATIONS`, up to the next keyframe.
    """

    number: int
    text: str
    timecode: Timecode
    value: str
    interpolation: str

    @property
    def label(self) -> str:
        """How errors name the keyframe."""
        return f"keyframe {self.number} ({self.text})" if self.number else value_label(self.text)


class KeyframeSequence:
    """Base of schedules: keyframes in order of time."""

    keyframes: tuple[Keyframe, ...]

    @property
    def signals(self) -> frozenset[str]:
        """Names of the signals that the keyframes need: `beat` for times in beats."""
        in_beats = any(keyframe.timecode.unit in BEAT_UNITS for keyframe in self.keyframes)
        return frozenset(("beat",) if in_beats else ())

    def find_interval(self, moment: Moment) -> tuple[int, int, float]:
        """Return the positions, from 0, of the keyframes around a moment, and the way between them.

        The way is from 0, at the first one, to 1, with its interpolation applied. The keyframes
        must be in order (`check_keyframes`).
        """
        if moment.timeline is None or len(self.keyframes) == 1:
            return 0, 0, 0.0
        timeline = moment.timeline
        after = bisect_right(
            self.keyframes, moment.time, key=lambda keyframe: keyframe.timecode.to_seconds(timeline)
        )
        before = max(0, after - 1)
        interpolation = self.keyframes[before].interpolation
        if after in (0, len(self.keyframes)) or interpolation == "hold":
            return before, before, 0.0
        start, end = (self.keyframes[n].timecode.to_seconds(timeline) for n in (before, after))
        share = float((moment.time - start) / (end - start))
        return before, after, ease(share, interpolation)

    def check_signals(self, timeline: Timeline) -> None:
        """Raise SettingsError where a timeline lacks a signal that is needed."""
        known = timeline.signals.names if timeline.signals else frozenset[str]()
        if missing := sorted(self.signals - known):
            raise make_unheard_error(missing[0], known)

    def check_keyframes(self, timeline: Timeline) -> list[str]:
        """Return a note for each keyframe that lies past the end of a partial timeline.

        Raises:
            SettingsError: A signal is missing, or keyframes are out of order, or past the end of a
                whole timeline.
        """
        self.check_signals(timeline)
        times = [keyframe.timecode.to_seconds(timeline) for keyframe in self.keyframes]
        for n in range(1, len(times)):
            check_keyframe_order(self.keyframes[n - 1], self.keyframes[n], times[n - 1], times[n])
        late = [
            keyframe
            for keyframe, time in zip(self.keyframes, times, strict=True)
            if time > timeline.length
        ]
        notes = [
            f"{keyframe.label}: it is past the end, {float(timeline.length):.2f} s"
            for keyframe in late
        ]
        if late and not timeline.is_partial:
            raise SettingsError(
                f"{notes[0]}; give an earlier time, or one in percent", where=late[0].label
            )
        return notes


def ease(share: float, interpolation: str) -> float:
    """Return the way to the next keyframe that an interpolation makes of a share of the time."""
    return share * share * (3 - 2 * share) if interpolation == "smooth" else share


def make_unheard_error(name: str, known: Collection[str]) -> SettingsError:
    """Return the error of a signal that a timeline lacks.

    Args:
        name: The signal.
        known: The signals that it has.
    """
    family, _, own_name = name.partition(".")
    if family == DATA:
        why, write = "there is no such series", f"{named('data')} {own_name}=FILE.csv"
    elif name not in BEAT_NAMES:
        why, write = "there is no sound to hear", f"{named('audio')} FILE"
    elif any(other.startswith(f"{AUDIO}.") for other in known):
        why, write = "no beats are found in the sound", f"{named('bpm')} 120"
    else:
        why = "there is no sound to find beats in"
        write = f"{named('audio')} FILE, or {named('bpm')} 120"
    return SettingsError(f"{name}: {why}; give {write}")


def value_label(text: str) -> str:
    """Return how errors name a value without a time."""
    return f"value {text.strip()!r}"


def check_keyframe_order(
    earlier: Keyframe, later: Keyframe, earlier_time: Fraction, later_time: Fraction
) -> None:
    """Raise SettingsError if a keyframe does not come after an earlier one."""
    if later_time == earlier_time:
        raise SettingsError(
            f"{later.label}: {earlier.label} is at the same time; leave one out", where=later.label
        )
    if later_time < earlier_time:
        raise SettingsError(
            f"{later.label}: it comes before {earlier.label}; put them in order", where=later.label
        )
