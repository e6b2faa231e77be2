"""The text of keyframes: `0s: 0.2, 4s: 0.8 smooth`, `beat 4: A, B`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction

from dreamflow.core.errors import SettingsError
from dreamflow.core.schedules.grammar import JOINING_WORDS
from dreamflow.core.schedules.keyframes import (
    INTERPOLATIONS,
    INTERPOLATIONS_TEXT,
    Keyframe,
    check_keyframe_order,
)
from dreamflow.core.schedules.timecode import BEAT_TIMECODE_SYNTAX, Timecode
from dreamflow.core.targets import CLASS_LAYER, Target, parse_target
from dreamflow.core.text.did_you_mean import suggest_similar

_SEPARATOR_PATTERN = re.compile(r"[(),]")
_LAYER_TIME_PATTERN = re.compile(r"[-+.\d]+\s*[a-z%]{0,4}\s*:")
"""The time that a keyframe of layers begins with; colons alone may separate channels."""
_LAYER_KEYFRAME_PATTERN = re.compile(r"((?:\d+:)+\d+(?:\.\d*)?|[^:]*?)\s*:\s*(.*)", re.DOTALL)
"""The longest time, and the layers after it."""

_BEAT_LAYERS_PATTERN = re.compile(
    r"\s*(?:([a-z]+)\s*,\s*)?(beat|bar)s?\s+([0-9]+(?:\.[0-9]*)?)\s*:\s*(.*)", re.DOTALL
)
"""An interpolation, how many beats or bars each layer stays, and the layers with commas between."""
_BEAT_LAYERS_SLIP = re.compile(r"\s*(?:[a-z]+\s*,\s*)?(?:beat|bar)s?(?:\s|:\s|\d)")
"""What is meant to be such a text."""
BEAT_LAYERS_SYNTAX = "beat 4: A, B, C or bar 1: A, B, the number above 0"


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


def parse_beat_layers(text: str) -> tuple[Timecode, tuple[Keyframe, ...]] | None:
    """Return how long each layer of `beat 4: A, B, C` stays, and a keyframe for each.

    They come one after the other, and again from the first. Without another word they are held
    until the next. `bar 1: A, B` counts bars.

    Returns:
        None where the text is of another kind.

    Raises:
        SettingsError: The number is missing or 0, a layer is missing, or the interpolation unknown.
    """
    match = _BEAT_LAYERS_PATTERN.fullmatch(text)
    if match is None and not _BEAT_LAYERS_SLIP.match(text):
        return None
    interpolation, unit, number, layers = match.groups() if match else (None, "beat", "0", "")
    stay = Timecode(Fraction(number), "bars" if unit == "bar" else "beats")
    parts = split_at_commas(layers)
    if stay.amount == 0 or not all(parts):
        raise SettingsError(f"{text!r}: write {BEAT_LAYERS_SYNTAX}", allowed=BEAT_LAYERS_SYNTAX)
    if interpolation and interpolation not in INTERPOLATIONS:
        raise SettingsError(
            f"{interpolation!r} is not {INTERPOLATIONS_TEXT}"
            f"{suggest_similar(interpolation, INTERPOLATIONS)}",
            allowed=INTERPOLATIONS_TEXT,
        )
    return stay, tuple(
        Keyframe(n + 1, part, replace(stay, amount=n * stay.amount), part, interpolation or "hold")
        for n, part in enumerate(parts)
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
            return text[: match.start(4)] + ", ".join(map(map_blend, split_at_commas(match[4])))
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
