"""Type and range checks of settings' values."""

from __future__ import annotations

import math
from dataclasses import Field
from pathlib import Path
from typing import Any, TypeGuard, cast, get_args

from dreamflow.core.errors import SettingsError, named
from dreamflow.core.schedules.grammar import KNOWN_FUNCTIONS
from dreamflow.core.schedules.keyframe_text import has_keyframes
from dreamflow.core.schedules.keyframes import value_label
from dreamflow.core.schedules.schedule import Schedule, parse_layer_schedule
from dreamflow.core.schedules.timecode import Moment
from dreamflow.core.text.wording import MAX_SHOWN_CHARS, shorten_repr

MAX_INTEGER_BITS = 64
"""Bits of a whole number at most."""


def read_setting_text(value: Any, hint: Any) -> Any:
    """Return the value that a text from a command line or a file stands for.

    Args:
        value: A number as text becomes the number where the setting is one; `on` and `off` become
            booleans where it is a switch. Anything else stays as it is.
        hint: Resolved type of the setting.
    """
    kinds = get_args(hint) or (hint,)
    if not isinstance(value, str) or str in kinds:
        return value
    if bool in kinds:
        return {"on": True, "off": False}.get(value, value)
    if not {int, float} & set(kinds):
        return value
    try:
        if int in kinds and value.strip().isdecimal():
            return int(value)
        number = float(value)
    except ValueError:
        return value
    if int not in kinds:
        return number
    return int(number) if math.isfinite(number) and number == int(number) else value


def join_list(value: Any) -> Any:
    """Return the text with commas that a list of whole numbers or texts stands for."""
    if not isinstance(value, (list, tuple)):
        return value
    items = cast("list[Any] | tuple[Any, ...]", value)
    if not all(isinstance(item, (int, str)) and not isinstance(item, bool) for item in items):
        return items
    return ",".join(map(str, items))


def _are_texts(value: Any) -> TypeGuard[list[str] | tuple[str, ...]]:
    if not isinstance(value, (list, tuple)):
        return False
    return all(isinstance(item, str) for item in cast("list[Any] | tuple[Any, ...]", value))


def coerce(name: str, value: Any, hint: Any, setting: Field[Any] | None = None) -> Any:
    """Return a value as the type of a setting.

    Whole numbers are taken for floats, lists and single strings for tuples of strings, strings for
    paths, and texts for schedules. Nothing else is converted.

    Args:
        name: Name of the setting.
        value: The value to convert.
        hint: Resolved type of the setting.
        setting: Its declaration, from which an error says how the value is written.

    Raises:
        SettingsError: The value has another type, or is the text of no schedule.
    """
    allowed = get_args(hint) or (hint,)
    if Any in allowed and isinstance(value, str):
        value = _parse_schedule(name, value, hint, setting)
    if Any in allowed and isinstance(value, Schedule):
        return value
    if value is None and type(None) in allowed:
        return None
    if hint == tuple[str, ...]:
        items: Any = (value,) if isinstance(value, str) else value
        if _are_texts(items):
            is_layers = setting is None or setting.metadata["scheduled"]
            return _check_layer_schedule(name, tuple(items)) if is_layers else tuple(items)
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
    write = f": write {describe_form(setting, hint)}" if setting else ""
    raise SettingsError(
        f"{name} = {shorten_repr(value)} is not {kind}{write}",
        setting=name,
        value=value,
        allowed=kind,
    )


def describe_form(setting: Field[Any], hint: Any) -> str:
    """Return how the value of a setting is written in TOML and in Python: `640 or "640x360"`."""
    metavar, choices = setting.metadata["metavar"], setting.metadata["choices"]
    kinds = get_args(hint) or (hint,)
    low, above = setting.metadata["low"], setting.metadata["above"]
    number = next(n for n in (setting.default, low, above and above + 1, 1) if n is not None)
    values = ['"..."']
    if bool in kinds:
        values = ["true", "false"]
    elif metavar == "WHEN":
        values = ["48 (a frame)", '"2s"', '"40%"']
    elif metavar == "SIZE":
        values = ["640", '"640x360"']
    elif setting.metadata["is_list"]:
        values = ["[20, 10, 5, 2]"] if metavar == "N,N,..." else ['["A", "B"]']
    elif hint == tuple[str, ...]:
        values = ['"A"', '["A", "B"]']
    elif choices:
        values = [f'"{choices[0]}"']
    elif setting.metadata["scheduled"]:
        values = [f"{number:g}", f'"0: {number:g}, 4s: {number:g}"']
    elif {int, float} & set(kinds):
        values = [f"{number:g}"]
    return " or ".join(values)


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


def _parse_schedule(
    name: str, text: str, hint: Any, setting: Field[Any] | None
) -> float | Schedule:
    """Return the schedule that a text is, or the number that its arithmetic gives.

    Raises:
        SettingsError: It is neither, or a number by itself, which is no text.
    """
    is_integer, kind = int in get_args(hint), describe_type(hint)
    if read_setting_text(text, hint) is not text:
        raise SettingsError(
            f"{named(name)} {shorten_repr(text)} is a text: write "
            f"{text.strip()[:MAX_SHOWN_CHARS]}, without quotation marks",
            setting=name,
            value=text,
            allowed=kind,
        )
    try:
        schedule = Schedule(text)
    except SettingsError as error:
        located = error.located(named(name), ", ")
        if not has_keyframes(text):
            is_word = text.strip().isidentifier() and text.strip() not in KNOWN_FUNCTIONS
            is_arithmetic = "(" in text or (error.allowed is not None and not is_word)
            write = f"; write {describe_form(setting, hint)}" if setting else ""
            write = "" if is_arithmetic else write
            reason = error.message.removeprefix(f"{value_label(text)}: ")
            located = SettingsError(
                f"{named(name)} {shorten_repr(text)} is not {kind}, nor a schedule: {reason}{write}"
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
