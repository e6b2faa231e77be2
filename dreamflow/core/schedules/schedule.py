"""A setting over time: keyframes with arithmetic, or with layers, for values.

1.5 + sin(2*pi*t)                                a value at all times
0: 1.5, 4s: 3, 100%: 1                           keyframes, linear between them
0: 1.5 hold, 1:02.5: 3 smooth, 90%: 1            with an interpolation up to the next keyframe
smooth, 0: 1.5, 48: 3, 90%: 1                    with a default interpolation
0: conv2/norm2, 3s: inception_3b/1x1=1 + conv2/3x3=0.5      layers, cross-faded
0: inception_4c/output:3:61, 3s: class:tabby smooth, 90%: conv2/3x3      channels, classes
beat 4: conv2/norm2, inception_3b/1x1, inception_4c/output      each 4 beats, again and again
smooth, bar 1: conv2/norm2, inception_3b/1x1                    each bar, cross-faded
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import lru_cache
from typing import cast

from dreamflow.core.errors import SettingsError
from dreamflow.core.schedules.arithmetic import Expression
from dreamflow.core.schedules.keyframe_text import (
    constant_keyframe,
    has_layer_keyframes,
    parse_beat_layers,
    parse_keyframes,
)
from dreamflow.core.schedules.keyframes import Keyframe, KeyframeSequence, ease
from dreamflow.core.schedules.timecode import Moment, Timecode, Timeline
from dreamflow.core.targets import Blend, Target, parse_blend


@dataclass(frozen=True)
class Schedule(KeyframeSequence):
    """A number over time.

    Attributes:
        text: The schedule as it was written.
        keyframes: Its keyframes, in order.
        values: The value of each keyframe.
    """

    text: str
    keyframes: tuple[Keyframe, ...] = field(init=False, compare=False, repr=False)
    values: tuple[Expression, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Read the text.

        Raises:
            SettingsError: The text is no schedule; the error names the keyframe.
        """
        object.__setattr__(self, "keyframes", parse_keyframes(self.text))
        values: list[Expression] = []
        for keyframe in self.keyframes:
            try:
                values.append(Expression(keyframe.value))
            except SettingsError as error:
                raise error.located(keyframe.label) from None
        object.__setattr__(self, "values", tuple(values))

    def __str__(self) -> str:
        """Return the text."""
        return self.text

    def at(self, moment: Moment) -> float:
        """Return the value at a moment; NaN where the arithmetic has none."""
        before, after, share = self.find_interval(moment)
        first = self.values[before](moment)
        if share == 0:
            return first
        second = self.values[after](moment)
        if math.isnan(first) or math.isnan(second):
            return math.nan
        mixed = first + (second - first) * share
        # Rounding must not carry the value past either keyframe's.
        return min(max(mixed, min(first, second)), max(first, second))

    def keyframe_values_at(self, moment: Moment) -> list[tuple[Keyframe, float]]:
        """Return the keyframes around a moment, each with its own value then."""
        before, after, _ = self.find_interval(moment)
        return [(self.keyframes[n], self.values[n](moment)) for n in (before, after)]

    @property
    def signals(self) -> frozenset[str]:
        """Names of the signals that the keyframes' times and values need."""
        return super().signals.union(*(value.signals for value in self.values))

    @property
    def has_time_expressions(self) -> bool:
        """Whether the value of a keyframe itself depends on time."""
        return not all(value.constant for value in self.values)

    @property
    def constant_keyframes(self) -> list[tuple[Keyframe, float]]:
        """The keyframes whose value does not depend on time, each with that value."""
        pairs = zip(self.keyframes, self.values, strict=True)
        return [(keyframe, value(Moment())) for keyframe, value in pairs if value.constant]


@dataclass(frozen=True)
class LayerSchedule(KeyframeSequence):
    """Layers over time, cross-faded between keyframes.

    Attributes:
        texts: The `layer` setting as it was written: one schedule, or the `NAME=WEIGHT` texts of
            layers that stay the same.
        keyframes: Its keyframes, in order; one with number 0 where the layers stay the same.
        blends: The blend of each keyframe.
        stay: How many beats or bars each keyframe stays, where they come again and again; else
            None.
    """

    texts: tuple[str, ...]
    keyframes: tuple[Keyframe, ...] = field(init=False, compare=False, repr=False)
    blends: tuple[Blend, ...] = field(init=False, compare=False, repr=False)
    stay: Timecode | None = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Read the texts.

        Raises:
            SettingsError: A text names no layers; the error names the keyframe. A schedule stands
                beside other layers.
        """
        stay: Timecode | None = None
        if not any(has_layer_keyframes(text) for text in self.texts):
            keyframes = (constant_keyframe(" + ".join(self.texts)),)
            blends = (parse_blend(self.texts),)
        else:
            text, *others = self.texts
            if others:
                raise SettingsError(
                    "a schedule of layers stands alone; in it, A=1 + B=0.5 is a blend",
                    setting="layer",
                )
            on_beats = parse_beat_layers(text)
            if on_beats is not None:
                stay, keyframes = on_beats
            else:
                keyframes = parse_keyframes(text, of_layers=True)
            blends = tuple(self._parse_blend(keyframe) for keyframe in keyframes)
        object.__setattr__(self, "keyframes", keyframes)
        object.__setattr__(self, "blends", blends)
        object.__setattr__(self, "stay", stay)

    def find_interval(self, moment: Moment) -> tuple[int, int, float]:
        """Return the keyframes around a moment, and the way between them; see the base class."""
        if self.stay is None or moment.timeline is None:
            return super().find_interval(moment)
        counted = moment.hear("bar" if self.stay.unit == "bars" else "beat")
        turns = max(0.0, counted / float(self.stay.amount))
        before = int(turns) % len(self.keyframes)
        interpolation = self.keyframes[before].interpolation
        if interpolation == "hold":
            return before, before, 0.0
        return before, (before + 1) % len(self.keyframes), ease(turns % 1, interpolation)

    def check_keyframes(self, timeline: Timeline) -> list[str]:
        """Check them as the base class does; those that come again need not all be reached."""
        if self.stay is None:
            return super().check_keyframes(timeline)
        self.check_signals(timeline)
        return []

    @staticmethod
    def _parse_blend(keyframe: Keyframe) -> Blend:
        """Return the blend of a keyframe."""
        try:
            return parse_blend(keyframe.value.split("+"))
        except SettingsError as error:
            raise error.located(keyframe.label) from None

    @property
    def is_constant(self) -> bool:
        """Whether the layers stay the same, without keyframes."""
        return self.keyframes[0].number == 0

    def at(self, moment: Moment) -> Blend:
        """Return the blend at a moment."""
        before, after, share = self.find_interval(moment)
        first, second = self.blends[before], self.blends[after]
        if share == 0 or first == second:
            return first
        nearer = second if share > 0.5 else first
        return first.cross_fade(second, share) or nearer

    @property
    def first_keyframe_by_target(self) -> dict[Target, str]:
        """The label of the first keyframe that has each target."""
        labels: dict[Target, str] = {}
        for keyframe, blend in zip(self.keyframes, self.blends, strict=True):
            for target in blend.targets:
                labels.setdefault(target, keyframe.label)
        return labels

    @property
    def targets(self) -> tuple[Target, ...]:
        """All targets, each once, in the order in which they come."""
        return tuple(self.first_keyframe_by_target)

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers of all targets, each once, in the order in which they come."""
        return tuple(dict.fromkeys(target.layer for target in self.targets))


@lru_cache(maxsize=64)
def parse_layers(layers: tuple[str, ...]) -> LayerSchedule:
    """Return the layers over time that the texts of a `layer` setting name; see `LayerSchedule`."""
    return LayerSchedule(layers)


def parse_layer_schedule(layers: tuple[str, ...]) -> LayerSchedule | None:
    """Return the schedule in the texts of a `layer` setting, or None where they have no keyframes.

    Raises:
        SettingsError: The schedule cannot be read, or stands beside other layers.
    """
    if not any(has_layer_keyframes(text) for text in layers):
        return None
    return parse_layers(layers)


def as_schedule(value: object) -> Schedule | LayerSchedule | None:
    """Return the schedule that the value of a setting is, or None where it stays the same."""
    if isinstance(value, tuple):
        return parse_layer_schedule(cast("tuple[str, ...]", value))
    return value if isinstance(value, (Schedule, LayerSchedule)) else None
