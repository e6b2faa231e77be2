"""A setting over time: keyframes, with arithmetic for values.

1.5 + sin(2*pi*t)                                a value at all times
0: 1.5, 4s: 3, 100%: 1                           keyframes, linear between them
0: 1.5 hold, 1:02.5: 3 smooth, 90%: 1            how it goes on from a keyframe to the next
smooth, 0: 1.5, 48: 3, 90%: 1                    the same for all that do not say
0: conv2/norm2, 3s: inception_3b/1x1=1 + conv2/3x3=0.5      layers, cross-faded
0: inception_4c/output:3:61, 3s: class:tabby smooth, 90%: conv2/3x3      their channels, classes
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

from dreamflow.core.blend import cross_fade, parse_blend
from dreamflow.core.errors import SettingsError, suggest_similar
from dreamflow.core.schedules.arithmetic import Expression
from dreamflow.core.schedules.timecode import TIMECODE_SYNTAX, Moment, Timecode, Timeline
from dreamflow.core.targets import CLASS_LAYER

INTERPOLATIONS = ("linear", "smooth", "hold")
"""From a keyframe to the next: evenly; gently at both ends (smoothstep); not until then."""
INTERPOLATIONS_TEXT = " or ".join([", ".join(INTERPOLATIONS[:-1]), INTERPOLATIONS[-1]])


@dataclass(frozen=True)
class Keyframe:
    """A value at a time. number: from 1; 0 where the text is a value without a time."""

    number: int
    text: str
    timecode: Timecode
    value: str
    interpolation: str

    @property
    def label(self) -> str:
        """How errors name it."""
        return f"keyframe {self.number} ({self.text})" if self.number else value_label(self.text)


def value_label(text: str) -> str:
    """Return how errors name a value without a time."""
    return f"value {text.strip()!r}"


def split_at_commas(text: str) -> list[str]:
    """Return the parts of a text between its commas, those within brackets left out."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth <= 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts]


def has_keyframes(text: str) -> bool:
    """Return whether a text means to have keyframes."""
    return ":" in text or split_at_commas(text)[0] in INTERPOLATIONS


def has_layer_keyframes(text: str) -> bool:
    """Return whether a text of layers means to have keyframes: their channels have colons, too."""
    parts = split_at_commas(text)
    time = re.match(r"[-+.\d]+\s*[a-z%]{0,2}\s*:", parts[0])
    return len(parts) > 1 or parts[0] in INTERPOLATIONS or time is not None


LAYER_KEYFRAME_PATTERN = re.compile(r"((?:\d+:)+\d+(?:\.\d*)?|[^:]*?)\s*:\s*(.*)", re.DOTALL)
"""A time, which is as long as it can be, and layers."""


def parse_keyframes(text: str, of_layers: bool = False) -> tuple[Keyframe, ...]:
    """Return the keyframes of a text, in order. Raises SettingsError that names the keyframe."""
    if not (has_layer_keyframes(text) if of_layers else has_keyframes(text)):
        return (Keyframe(0, text.strip(), Timecode(Fraction(0), "frames"), text, "hold"),)
    parts, usual = split_at_commas(text), "linear"
    if parts[0] in INTERPOLATIONS:
        usual = parts.pop(0)
    if not parts:
        raise SettingsError(f"{text!r} has no keyframe: write TIME: VALUE, TIME: VALUE")
    found: list[Keyframe] = []
    for number, part in enumerate(parts, start=1):
        found.append(parse_keyframe(number, part, usual, of_layers))
        for earlier in found[:-1]:
            if earlier.timecode.unit == found[-1].timecode.unit:
                check_keyframe_order(
                    earlier, found[-1], earlier.timecode.amount, found[-1].timecode.amount
                )
    return tuple(found)


def parse_keyframe(
    number: int, text: str, default_interpolation: str, of_layers: bool = False
) -> Keyframe:
    """Return a keyframe of `TIME: VALUE` or `TIME: VALUE CURVE`."""
    where = f"keyframe {number} ({text})"
    time, value = split_keyframe(text, of_layers)
    if not time or not value:
        hint = suggest_similar(text, INTERPOLATIONS)
        raise SettingsError(f"{where}: write TIME: VALUE, the time as {TIMECODE_SYNTAX}{hint}")
    try:
        when = Timecode.parse(time)
    except SettingsError as error:
        named = of_layers and not time[:1].isdigit()
        hint = f"; several channels are parted by colons, {time}:3:7:61" if named else ""
        raise SettingsError(f"{where}: {error}{hint}") from None
    if when.unit == "percent" and when.amount > 100:
        raise SettingsError(f"{where}: it is past the end, which is 100%")
    value, word = split_interpolation(value)
    if word and word not in INTERPOLATIONS:
        raise SettingsError(
            f"{where}: {word!r} is not {INTERPOLATIONS_TEXT}{suggest_similar(word, INTERPOLATIONS)}"
        )
    return Keyframe(number, text, when, value, word or default_interpolation)


def split_keyframe(text: str, of_layers: bool) -> tuple[str, str]:
    """Return the two sides of a keyframe's colon, "" where there is none."""
    if of_layers:
        match = LAYER_KEYFRAME_PATTERN.fullmatch(text.strip())
        return (match[1], match[2]) if match else ("", text.strip())
    time, _, value = (piece.strip() for piece in text.rpartition(":"))
    return time, value


def split_interpolation(value: str) -> tuple[str, str]:
    """Return a value, and the word behind it that tells how it goes on, or ""."""
    match = re.fullmatch(r"(.*[\w)])\s+([a-z]+)", value)
    # The name of a class may be of several words.
    if match is None or (f"{CLASS_LAYER}:" in value and match[2] not in INTERPOLATIONS):
        return value, ""
    return match[1], match[2]


def list_targets(layers: tuple[str, ...]) -> list[str]:
    """Return every NAME in the texts of a `layer` setting, each once."""
    found: dict[str, None] = {}

    def note(name: str) -> str:
        found[name] = None
        return name

    for text in layers:
        map_target_names(text, note)
    return list(found)


def map_target_names(text: str, rename: Callable[[str], str]) -> str:
    """Return a text of layers, on a schedule or not, with each NAME in it changed."""

    def blend(value: str) -> str:
        changed: list[str] = []
        for part in value.split("+"):
            name, equals, weight = (piece.strip() for piece in part.partition("="))
            changed.append(rename(name) + equals + weight)
        return " + ".join(changed)

    if not has_layer_keyframes(text):
        return blend(text)
    keyframes: list[str] = []
    for part in split_at_commas(text):
        if part in INTERPOLATIONS and not keyframes:
            keyframes.append(part)
            continue
        time, value = split_keyframe(part, of_layers=True)
        value, word = split_interpolation(value)
        keyframes.append(f"{time}: {blend(value)} {word}".rstrip())
    return ", ".join(keyframes)


def check_keyframe_order(
    earlier: Keyframe, later: Keyframe, earlier_time: Fraction, later_time: Fraction
) -> None:
    """Raise SettingsError where a keyframe does not come after an earlier one."""
    if later_time == earlier_time:
        raise SettingsError(f"{later.label}: {earlier.label} is at the same time; leave one out")
    if later_time < earlier_time:
        raise SettingsError(f"{later.label}: it comes before {earlier.label}; put them in order")


class KeyframeSequence:
    """What schedules of numbers and of layers share: keyframes on a timeline."""

    keyframes: tuple[Keyframe, ...]

    def find_interval(self, moment: Moment) -> tuple[int, int, float]:
        """Return the keyframes (from 0) before and after a moment, and the way between, 0 to 1."""
        if moment.timeline is None or len(self.keyframes) == 1:
            return 0, 0, 0.0
        times = [keyframe.timecode.to_seconds(moment.timeline) for keyframe in self.keyframes]
        after = next((n for n, time in enumerate(times) if time > moment.time), len(times))
        before = max(0, after - 1)
        if after in (0, len(times)):
            return before, before, 0.0
        share = float((moment.time - times[before]) / (times[after] - times[before]))
        curve = self.keyframes[before].interpolation
        if curve == "hold":
            return before, before, 0.0
        return before, after, share * share * (3 - 2 * share) if curve == "smooth" else share

    def check_keyframes(self, timeline: Timeline) -> list[str]:
        """Return a note for each keyframe past the end of a part of a source.

        Raises SettingsError where keyframes are out of order, or past the end of a whole source.
        """
        times = [keyframe.timecode.to_seconds(timeline) for keyframe in self.keyframes]
        for number, keyframe in enumerate(self.keyframes[1:], start=1):
            check_keyframe_order(
                self.keyframes[number - 1], keyframe, times[number - 1], times[number]
            )
        pairs = zip(self.keyframes, times, strict=True)
        length = float(timeline.length)
        beyond = [
            f"{keyframe.label}: it is past the end, {length:.2f} s"
            for keyframe, time in pairs
            if time > timeline.length
        ]
        if beyond and not timeline.is_partial:
            raise SettingsError(f"{beyond[0]}; give an earlier time, or one in percent")
        return beyond


@dataclass(frozen=True)
class Schedule(KeyframeSequence):
    """A number over time; `text` is what was written, and comes back as it was."""

    text: str
    keyframes: tuple[Keyframe, ...] = field(init=False, compare=False, repr=False)
    values: tuple[Expression, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Raise SettingsError, naming the keyframe, for a text that is no schedule."""
        object.__setattr__(self, "keyframes", parse_keyframes(self.text))
        values: list[Expression] = []
        for keyframe in self.keyframes:
            try:
                values.append(Expression(keyframe.value))
            except SettingsError as error:
                raise SettingsError(f"{keyframe.label}: {error}") from None
        object.__setattr__(self, "values", tuple(values))

    def __str__(self) -> str:
        """Return the text."""
        return self.text

    def at(self, moment: Moment) -> float:
        """Return the value at a moment; NaN where the arithmetic has none."""
        before, after, share = self.find_interval(moment)
        t, p = float(moment.time), moment.progress
        one = self.values[before](t, p)
        if share == 0:
            return one
        other = self.values[after](t, p)
        if math.isnan(one) or math.isnan(other):
            return math.nan
        mixed = one + (other - one) * share
        return min(max(mixed, min(one, other)), max(one, other))

    def keyframe_values_at(self, moment: Moment) -> list[tuple[Keyframe, float]]:
        """Return the keyframes that a moment lies on or between, and the own value of each."""
        before, after, _ = self.find_interval(moment)
        t, p = float(moment.time), moment.progress
        return [(self.keyframes[n], self.values[n](t, p)) for n in (before, after)]

    @property
    def has_time_expressions(self) -> bool:
        """Whether a value depends on time by itself, and not only from keyframe to keyframe."""
        return not all(value.constant for value in self.values)

    @property
    def constant_keyframes(self) -> list[tuple[Keyframe, float]]:
        """The keyframes whose value does not depend on time, and that value."""
        pairs = zip(self.keyframes, self.values, strict=True)
        return [(keyframe, value(0, 0)) for keyframe, value in pairs if value.constant]


@dataclass(frozen=True)
class LayerSchedule(KeyframeSequence):
    """Layers over time, cross-faded; `text` is what was written."""

    text: str
    keyframes: tuple[Keyframe, ...] = field(init=False, compare=False, repr=False)
    blends: tuple[dict[str, float], ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Raise SettingsError, naming the keyframe, for a text that is no schedule."""
        object.__setattr__(self, "keyframes", parse_keyframes(self.text, of_layers=True))
        blends: list[dict[str, float]] = []
        for keyframe in self.keyframes:
            try:
                blends.append(parse_blend(keyframe.value.split("+")))
            except SettingsError as error:
                raise SettingsError(f"{keyframe.label}: {error}") from None
        object.__setattr__(self, "blends", tuple(blends))

    def at(self, moment: Moment) -> tuple[str, ...]:
        """Return the layers at a moment, as `NAME=WEIGHT` texts."""
        before, after, share = self.find_interval(moment)
        blend = self.blends[before]
        if share > 0 and blend != self.blends[after]:
            # Two blends may cancel out on their way; then the nearer one stands.
            mixed = cross_fade(blend, self.blends[after], share)
            blend = mixed or self.blends[after if share > 0.5 else before]
        return tuple(f"{name}={weight!r}" for name, weight in blend.items())

    @property
    def first_keyframe_by_target(self) -> dict[str, str]:
        """Every target that comes up, and the first keyframe that has it, as errors name it."""
        found: dict[str, str] = {}
        for keyframe, blend in zip(self.keyframes, self.blends, strict=True):
            for name in blend:
                found.setdefault(name, keyframe.label)
        return found


@lru_cache(maxsize=64)
def parse_layer_schedule(layers: tuple[str, ...]) -> LayerSchedule | None:
    """Return the schedule that a `layer` setting holds, or None where it is the same throughout.

    Raises SettingsError for one that cannot be, or that stands beside other layers.
    """
    if not any(has_layer_keyframes(text) for text in layers):
        return None
    first, *others = layers
    if others:
        raise SettingsError("a schedule of layers stands alone; in it, A=1 + B=0.5 is a blend")
    return LayerSchedule(first)


def as_schedule(value: object) -> Schedule | LayerSchedule | None:
    """Return the schedule that the value of a setting is, or None where it stays as it is."""
    schedule = parse_layer_schedule(value) if isinstance(value, tuple) else value
    return schedule if isinstance(schedule, (Schedule, LayerSchedule)) else None
