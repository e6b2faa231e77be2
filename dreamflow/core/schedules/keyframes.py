"""Keyframes: how their text is read, and where a moment lies between them."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from dreamflow.core.errors import SettingsError, named
from dreamflow.core.schedules.grammar import JOINING_WORDS
from dreamflow.core.schedules.signals import AUDIO, BEAT_NAMES, DATA
from dreamflow.core.schedules.timecode import (
    BEAT_TIMECODE_SYNTAX,
    BEAT_UNITS,
    Moment,
    Timecode,
    Timeline,
)
from dreamflow.core.targets import CLASS_LAYER, Target, parse_target
from dreamflow.core.text.did_you_mean import suggest_similar

INTERPOLATIONS = ("linear", "smooth", "hold")
"""From a keyframe to the next: linear; smoothstep, 3x^2 - 2x^3; constant until the next."""
INTERPOLATIONS_TEXT = " or ".join([", ".join(INTERPOLATIONS[:-1]), INTERPOLATIONS[-1]])

_SEPARATOR_PATTERN = re.compile(r"[(),]")
_LAYER_TIME_PATTERN = re.compile(r"[-+.\d]+\s*[a-z%]{0,4}\s*:")
"""The time that a keyframe of layers begins with; colons alone may separate channels."""
_LAYER_KEYFRAME_PATTERN = re.compile(r"((?:\d+:)+\d+(?:\.\d*)?|[^:]*?)\s*:\s*(.*)", re.DOTALL)
"""The longest time, and the layers after it."""


_BEAT_LAYERS_PATTERN = re.compile(
    r"\s*(?:([a-z]+)\s*,\s*)?beat\s+([0-9]+(?:\.[0-9]*)?)\s*:\s*(.*)", re.DOTALL
)
"""An interpolation, how many beats each layer stays, and the layers with commas between them."""


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


def find_commas(text: str) -> Iterator[int]:
    """Yield the positions of the commas of a text that are not in brackets."""
    depth = 0
    for mark in _SEPARATOR_PATTERN.finditer(text):
        depth += {"(": 1, ")": -1}.get(mark[0], 0)
        if mark[0] == "," and depth <= 0:
            yield mark.start()


def split_at_commas(text: str) -> list[str]:
    """Return the parts of a text between commas that are not in brackets, stripped."""
    ends = [*find_commas(text), len(text)]
    starts = [0, *(end + 1 for end in ends)]
    return [text[start:end].strip() for start, end in zip(starts, ends, strict=False)]


def first_part(text: str) -> tuple[str, bool]:
    """Return the part of a text before its first comma, stripped, and whether there is a comma."""
    comma = next(find_commas(text), None)
    return text[:comma].strip(), comma is not None


def has_keyframes(text: str) -> bool:
    """Return whether the text of a number is meant to have keyframes."""
    return ":" in text or first_part(text)[0] in INTERPOLATIONS


def has_layer_keyframes(text: str) -> bool:
    """Return whether a text of layers is meant to have keyframes; channels have colons too."""
    first, has_comma = first_part(text)
    is_on_beats = _BEAT_LAYERS_PATTERN.match(text) is not None
    return (
        is_on_beats
        or has_comma
        or first in INTERPOLATIONS
        or _LAYER_TIME_PATTERN.match(first) is not None
    )


def constant_keyframe(text: str) -> Keyframe:
    """Return the only keyframe of a value without a time."""
    return Keyframe(0, text.strip(), Timecode(Fraction(0), "frames"), text, "hold")


def parse_keyframes(text: str, of_layers: bool = False) -> tuple[Keyframe, ...]:
    """Return the keyframes of a text, in order.

    Raises:
        SettingsError: A keyframe cannot be read or is out of order; the error names it.
    """
    if not (has_layer_keyframes(text) if of_layers else has_keyframes(text)):
        return (constant_keyframe(text),)
    parts, default_interpolation = split_at_commas(text), "linear"
    if parts[0] in INTERPOLATIONS:
        default_interpolation = parts.pop(0)
    if not parts:
        raise SettingsError(f"{text!r} has no keyframe: write TIME: VALUE, TIME: VALUE")
    keyframes: list[Keyframe] = []
    last_by_unit: dict[str, Keyframe] = {}  # times in different units need a timeline to compare
    for number, part in enumerate(parts, start=1):
        later = _parse_keyframe(number, part, default_interpolation, of_layers)
        if earlier := last_by_unit.get(later.timecode.unit):
            check_keyframe_order(earlier, later, earlier.timecode.amount, later.timecode.amount)
        last_by_unit[later.timecode.unit] = later
        keyframes.append(later)
    return tuple(keyframes)


def parse_beat_layers(text: str) -> tuple[Fraction, tuple[Keyframe, ...]] | None:
    """Return how many beats each layer of `beat 4: A, B, C` stays, and a keyframe for each.

    They come one after the other, and again from the first. Without another word they are held
    until the next.

    Returns:
        None where the text is of another kind.

    Raises:
        SettingsError: The number of beats is 0, a layer is missing, or the interpolation unknown.
    """
    match = _BEAT_LAYERS_PATTERN.fullmatch(text)
    if match is None:
        return None
    interpolation, beats, layers = match[1] or "hold", Fraction(match[2]), match[3]
    parts = split_at_commas(layers)
    if beats == 0 or not all(parts):
        raise SettingsError(f"{text!r}: write beat 4: A, B, C, the beats above 0")
    if interpolation not in INTERPOLATIONS:
        raise SettingsError(
            f"{interpolation!r} is not {INTERPOLATIONS_TEXT}"
            f"{suggest_similar(interpolation, INTERPOLATIONS)}",
            allowed=INTERPOLATIONS_TEXT,
        )
    return beats, tuple(
        Keyframe(number + 1, part, Timecode(number * beats, "beats"), part, interpolation)
        for number, part in enumerate(parts)
    )


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


def map_targets(layers: Sequence[str], change: Callable[[Target], Target]) -> tuple[str, ...]:
    """Return the texts of a `layer` setting, on a schedule or not, with each target changed.

    Weights, times and interpolations stay as they were written, and so do unchanged targets.
    """

    def map_blend(text: str) -> str:
        parts: list[str] = []
        for part in text.split("+"):
            name, equals, weight = (piece.strip() for piece in part.partition("="))
            target = parse_target(name)
            changed = change(target)
            parts.append((name if changed == target else str(changed)) + equals + weight)
        return " + ".join(parts)

    def map_keyframe(text: str) -> str:
        if text in INTERPOLATIONS:
            return text
        time, value = _split_time(text, of_layers=True)
        value, interpolation = _split_interpolation(value)
        return f"{time}: {map_blend(value)} {interpolation}".rstrip()

    def map_text(text: str) -> str:
        if match := _BEAT_LAYERS_PATTERN.fullmatch(text):
            return text[: match.start(3)] + ", ".join(map(map_blend, split_at_commas(match[3])))
        if not has_layer_keyframes(text):
            return map_blend(text)
        return ", ".join(map_keyframe(part) for part in split_at_commas(text))

    return tuple(map(map_text, layers))


def _parse_keyframe(
    number: int, text: str, default_interpolation: str, of_layers: bool
) -> Keyframe:
    """Return the keyframe of `TIME: VALUE` or `TIME: VALUE INTERPOLATION`."""
    where = f"keyframe {number} ({text})"
    time, value = _split_time(text, of_layers)
    if not time or not value:
        hint = suggest_similar(text, INTERPOLATIONS)
        raise SettingsError(
            f"{where}: write TIME: VALUE, the time as {BEAT_TIMECODE_SYNTAX}{hint}", where=where
        )
    try:
        timecode = Timecode.parse(time, in_beats=True)
    except SettingsError as error:
        is_name = of_layers and not time[:1].isdigit()
        hint = f"; several channels are separated by colons, {time}:3:7:61" if is_name else ""
        raise SettingsError(f"{where}: {error.message}{hint}", where=where) from None
    if timecode.unit == "percent" and timecode.amount > 100:
        raise SettingsError(f"{where}: it is past the end, which is 100%", where=where)
    value, interpolation = _split_interpolation(value)
    if interpolation and interpolation not in INTERPOLATIONS:
        raise SettingsError(
            f"{where}: {interpolation!r} is not {INTERPOLATIONS_TEXT}"
            f"{suggest_similar(interpolation, INTERPOLATIONS)}",
            where=where,
            allowed=INTERPOLATIONS_TEXT,
        )
    return Keyframe(number, text, timecode, value, interpolation or default_interpolation)


def _split_time(text: str, of_layers: bool) -> tuple[str, str]:
    """Return the texts before and after a keyframe's colon; the first is "" without one."""
    if of_layers:
        match = _LAYER_KEYFRAME_PATTERN.fullmatch(text.strip())
        return (match[1], match[2]) if match else ("", text.strip())
    time, _, value = (piece.strip() for piece in text.rpartition(":"))
    return time, value


def _split_interpolation(value: str) -> tuple[str, str]:
    """Return a value and the word after it that names an interpolation, or ""."""
    match = re.fullmatch(r"(.*[\w)])\s+([a-z]+)", value)
    if match is None:
        return value, ""
    # Names of classes may have several words, and arithmetic goes on behind some.
    continues = f"{CLASS_LAYER}:" in value or match[1].split()[-1] in JOINING_WORDS
    if match[2] not in INTERPOLATIONS and continues:
        return value, ""
    return match[1], match[2]
