"""Type and range checks of settings' values."""

from __future__ import annotations

import math
from dataclasses import Field
from pathlib import Path
from typing import Any, get_args

from dreamflow.core.errors import SettingsError, named
from dreamflow.core.schedules.keyframes import has_keyframes, value_label
from dreamflow.core.schedules.schedule import Schedule, parse_layer_schedule
from dreamflow.core.schedules.timecode import Moment
from dreamflow.core.wording import shorten_repr

MAX_INTEGER_BITS = 64
"""Bits of a whole number at most."""


def coerce(name: str, value: Any, hint: Any) -> Any:
    """Return a value as the type of a setting.

    Whole numbers are taken for floats, lists and single strings for tuples of strings, strings for
    paths, and texts for schedules. Nothing else is converted.

    Args:
        name: Name of the setting.
        value: The value to convert.
        hint: Resolved type of the setting.

    Raises:
        SettingsError: The value has another type, or is the text of no schedule.
    """
    allowed = get_args(hint) or (hint,)
    if Any in allowed and isinstance(value, str):
        value = _parse_number_or_schedule(name, value, hint)
    if Any in allowed and isinstance(value, Schedule):
        return value
    if value is None and type(None) in allowed:
        return None
    if hint == tuple[str, ...]:
        items = (value,) if isinstance(value, str) else value
        if isinstance(items, (tuple, list)) and all(isinstance(item, str) for item in items):
            return _check_layer_schedule(name, tuple(items))
    elif bool in allowed:
        if isinstance(value, bool):
            return value
    elif isinstance(value, bool) or _has_too_many_digits(value):
        pass
    elif int in allowed and isinstance(value, int):
        return value
    elif float in allowed and isinstance(value, (int, float)):
        return float(value)
    elif Path in allowed and isinstance(value, (str, Path)):
        return Path(value)
    elif str in allowed and isinstance(value, (str, int)):
        return str(value)
    kind = describe_type(hint)
    raise SettingsError(
        f"{name} = {shorten_repr(value)} is not {kind}", setting=name, value=value, allowed=kind
    )


def _has_too_many_digits(value: Any) -> bool:
    return isinstance(value, int) and value.bit_length() > MAX_INTEGER_BITS


def _check_layer_schedule(name: str, layers: tuple[str, ...]) -> tuple[str, ...]:
    """Return the texts of layers, or raise SettingsError for a schedule that cannot be read."""
    try:
        parse_layer_schedule(layers)
    except SettingsError as error:
        located = error.located(named(name), ", ")
        located.setting, located.value = name, layers
        raise located from None
    return layers


def _parse_number_or_schedule(name: str, text: str, hint: Any) -> float | Schedule:
    """Return the number or the schedule that a text is, or raise SettingsError for neither."""
    is_integer, kind = int in get_args(hint), describe_type(hint)
    try:
        number = int(text) if is_integer else float(text)
    except ValueError:
        number = None
    if number is not None:
        if _has_too_many_digits(number):
            raise SettingsError(
                f"{named(name)} has too many digits", setting=name, value=text, allowed=kind
            )
        return number
    try:
        schedule = Schedule(text)
    except SettingsError as error:
        located = error.located(named(name), ", ")
        if not has_keyframes(text):
            reason = error.message.removeprefix(f"{value_label(text)}: ")
            located = SettingsError(
                f"{named(name)} {shorten_repr(text)} is not {kind}, nor a schedule: {reason}"
            )
        located.setting, located.value, located.allowed = name, text, kind
        raise located from None
    if has_keyframes(text) or schedule.has_time_expressions:
        return schedule
    value = schedule.at(Moment())
    if math.isnan(value):
        raise SettingsError(
            f"{named(name)} {shorten_repr(text)} has no value, or too large a one",
            setting=name,
            value=text,
        )
    if is_integer and not value.is_integer():
        raise SettingsError(
            f"{named(name)} {shorten_repr(text)} is not {kind}",
            setting=name,
            value=text,
            allowed=kind,
        )
    return int(value) if is_integer else value


def describe_type(hint: Any) -> str:
    """Return a type in words: `a whole number`."""
    if hint == tuple[str, ...]:
        return "a text or a list of texts"
    allowed = get_args(hint) or (hint,)
    words = {bool: "true or false", int: "a whole number", float: "a number", Path: "a path"}
    return next((words[kind] for kind in words if kind in allowed), "a text")


def describe_range(setting: Field[Any]) -> str:
    """Return the range of a setting in words: `above 0 and at most 64`."""
    low, high, above = _bounds(setting)
    bounds = [f"above {above:g}"] if above is not None else []
    bounds += [f"at least {low:g}"] if low is not None else []
    bounds += [f"at most {high:g}"] if high is not None else []
    return " and ".join(bounds)


def check_range(setting: Field[Any], value: Any) -> None:
    """Raise SettingsError if a value is not finite, out of range, or not one of the choices.

    Of a schedule, only the keyframes whose value does not depend on time are checked.
    """
    choices = setting.metadata.get("choices")
    if choices and value not in choices:
        raise SettingsError(
            f"{named(setting.name)} {shorten_repr(value)} is unknown; choose {', '.join(choices)}",
            setting=setting.name,
            value=value,
            allowed=", ".join(choices),
        )
    if isinstance(value, Schedule):
        for keyframe, number in value.constant_keyframes:
            if not in_range(setting, number):
                raise out_of_range_error(setting, f", {keyframe.label}:", number)
    elif isinstance(value, (int, float)) and not in_range(setting, value):
        raise out_of_range_error(setting, "", value)


def in_range(setting: Field[Any], value: float) -> bool:
    """Return whether a number is finite and in the range of a setting."""
    low, high, above = _bounds(setting)
    return (
        math.isfinite(value)
        and (low is None or value >= low)
        and (high is None or value <= high)
        and (above is None or value > above)
    )


def clamp_to_range(setting: Field[Any], value: float, is_integer: bool) -> float:
    """Return a number clamped to the range of a setting, rounded if it is to be whole."""
    low, high, above = _bounds(setting)
    if above is not None:
        low = math.nextafter(above, math.inf)
    value = value if low is None else max(low, value)
    value = value if high is None else min(high, value)
    return math.floor(value + 0.5) if is_integer else value


def out_of_range_error(setting: Field[Any], where: str, value: float) -> SettingsError:
    """Return the error of a number out of range.

    Args:
        setting: The setting.
        where: Text between the setting's name and the value, with its punctuation: a keyframe or a
            time; "" for a plain value.
        value: The number; NaN where arithmetic has no value.
    """
    allowed = describe_range(setting)
    message = f"{named(setting.name)}{where} {value:g} is out of range: it must be {allowed}"
    if not where:
        message = f"{named(setting.name)} {value} is out of range: it must be {allowed}"
    elif math.isnan(value):
        message = f"{named(setting.name)}{where} it has no value; it must be {allowed}"
    return SettingsError(
        message,
        setting=setting.name,
        value=value,
        allowed=allowed,
        where=where.strip(" ,:") or None,
    )


def _bounds(setting: Field[Any]) -> tuple[float | None, float | None, float | None]:
    """Return (low, high, above) of a setting."""
    low, high, above = (setting.metadata.get(name) for name in ("low", "high", "above"))
    return low, high, above
