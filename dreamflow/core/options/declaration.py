"""What a setting is: its declaration, its type, its range, and its value at a moment."""

from __future__ import annotations

import math
import warnings
from collections.abc import Container
from dataclasses import Field, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Self, TypeVar, get_args, get_type_hints

from dreamflow.core.errors import DreamFlowWarning, SettingsError
from dreamflow.core.schedules.schedule import (
    LayerSchedule,
    Schedule,
    as_schedule,
    has_keyframes,
    parse_layer_schedule,
    value_label,
)
from dreamflow.core.schedules.timecode import Moment, Timeline

DefaultT = TypeVar("DefaultT")

FloatOrSchedule = float | Any
"""A number, or a Schedule of one, or its text, which becomes one. The type says `Any` because what
`Options.at` returns holds plain numbers, and all that calculates with settings takes those."""
IntOrSchedule = int | Any
"""The same of whole numbers."""


def option(
    default: DefaultT,
    help: str,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    choices: tuple[str, ...] = (),
    saved: bool = True,
    scheduled: bool = False,
    metavar: str | None = None,
    panel: str | None = None,
    needs: tuple[str, Any] | None = None,
) -> DefaultT:
    """Declare a setting: its default, help line, and range (`low`, `high` inclusive; `above` not).

    `saved` settings travel with an output and may stand in a preset; `scheduled` ones may change
    over time. panel: the heading that it is listed under, where it is not that of its group.
    needs: the name of another setting of the group, and the value without which this one does
    nothing; None for any value.
    """
    metadata = {
        "help": help,
        "low": low,
        "high": high,
        "above": above,
        "choices": choices,
        "saved": saved,
        "scheduled": scheduled,
        "metavar": metavar,
        "panel": panel,
        "needs": needs,
    }
    return field(default=default, metadata=metadata)


def warn_ineffective_settings(given: Container[str], *groups: Options, prefix: str = "") -> None:
    """Warn of each setting given, of some groups, that does nothing for want of another one.

    where: what the warnings begin with.
    """
    for line in (line for group in groups for line in group.ineffective_settings(given)):
        warnings.warn(f"{prefix}{line}", DreamFlowWarning, 3)


def flag_of(name: str) -> str:
    """Return the command-line flag of a setting: `octave_scale` is `--octave-scale`."""
    return "--" + name.replace("_", "-")


class Options:
    """Base of the settings: checks every field's type and range when made."""

    def __post_init__(self) -> None:
        self._check_fields()
        self._check_combination()

    def _check_fields(self) -> None:
        """Make each setting what it is to be. Raises SettingsError where by itself it cannot be."""
        hints = resolve_field_types(type(self))
        for setting in fields(self):  # type: ignore[arg-type]
            value = coerce(setting.name, getattr(self, setting.name), hints[setting.name])
            object.__setattr__(self, setting.name, value)
            check_range(setting, value)

    def _check_combination(self) -> None:
        """Raise SettingsError where settings that can be by themselves cannot be together."""

    @classmethod
    def validate_value(cls, name: str, value: Any) -> Any:
        """Return the value that a setting gets from this one, whatever the others are.

        Raises SettingsError where it cannot be.
        """
        made = object.__new__(cls)
        for setting in fields(cls):  # type: ignore[arg-type]
            object.__setattr__(
                made, setting.name, value if setting.name == name else setting.default
            )
        made._check_fields()
        return getattr(made, name)

    def ineffective_settings(self, given: Container[str]) -> list[str]:
        """Return in words which of the settings given do nothing, for want of another one."""
        found: list[str] = []
        for setting in fields(self):  # type: ignore[arg-type]
            if not setting.metadata["needs"] or setting.name not in given:
                continue
            name, wanted = setting.metadata["needs"]
            value = getattr(self, name)
            if value != wanted if wanted is not None else value is None:
                other = f"{flag_of(name)} {wanted}" if isinstance(wanted, str) else flag_of(name)
                found.append(f"{flag_of(setting.name)} does nothing without {other}")
        return found

    @property
    def schedules(self) -> dict[str, Schedule | LayerSchedule]:
        """The settings that change over time, by name."""
        found: dict[str, Schedule | LayerSchedule] = {}
        for setting in fields(self):  # type: ignore[arg-type]
            if setting.metadata["scheduled"]:
                schedule = as_schedule(getattr(self, setting.name))
                if schedule is not None:
                    found[setting.name] = schedule
        return found

    def at(self, moment: Moment) -> Self:
        """Return the settings of one moment: each schedule gives way to its value then.

        Numbers are brought into their range, whole ones rounded. Raises SettingsError where a
        schedule's arithmetic has no value.
        """
        rules = {f.name: f for f in fields(self)}  # type: ignore[arg-type]
        values: dict[str, Any] = {}
        for name, schedule in self.schedules.items():
            if isinstance(schedule, LayerSchedule):
                values[name] = schedule.at(moment)
                continue
            value = schedule.at(moment)
            if math.isnan(value):
                raise out_of_range_error(rules[name], f", at {float(moment.time):.2f} s,", value)
            values[name] = clamp_to_range(
                rules[name], value, int in get_args(resolve_field_types(type(self))[name])
            )
        return replace(self, **values) if values else self  # type: ignore[type-var]

    def check_schedules(self, timeline: Timeline, warn: bool = True) -> None:
        """Make sure that every schedule has a value, in its range, at each frame of a timeline.

        Raises SettingsError that names the keyframe: out of order, past the end, or out of range.
        Where the output is a part of its source, a keyframe past the end is only warned of.
        """
        rules = {f.name: f for f in fields(self)}  # type: ignore[arg-type]
        for name, schedule in self.schedules.items():
            try:
                beyond = schedule.check_keyframes(timeline)
            except SettingsError as error:
                raise SettingsError(f"{flag_of(name)}, {error}") from None
            for note in beyond if warn else ():
                warnings.warn(f"{flag_of(name)}, {note}; not reached", DreamFlowWarning, 3)
            if isinstance(schedule, LayerSchedule) or not schedule.has_time_expressions:
                continue
            for moment in timeline.moments():
                value = schedule.at(moment)
                if not in_range(rules[name], value):
                    keyframe, value = next(
                        (keyframe, own)
                        for keyframe, own in schedule.keyframe_values_at(moment)
                        if not in_range(rules[name], own)
                    )
                    where = f", {keyframe.label}, at {float(moment.time):.2f} s:"
                    raise out_of_range_error(rules[name], where, value)


@lru_cache(maxsize=32)
def resolve_field_types(cls: type) -> dict[str, Any]:
    """Return the resolved type of each field of a settings class."""
    return get_type_hints(cls)


def coerce(name: str, value: Any, hint: Any) -> Any:
    """Return `value` as the type of the setting `name`, or raise SettingsError.

    Whole numbers are taken for floats, lists and single strings for tuples of strings, strings
    for paths, texts for schedules; nothing else is converted, so a preset with
    `iterations = "ten"` is refused.
    """
    allowed = get_args(hint) or (hint,)
    if Any in allowed and isinstance(value, str):
        value = parse_number_or_schedule(name, value, hint)
    if Any in allowed and isinstance(value, Schedule):
        return value
    if value is None and type(None) in allowed:
        return None
    if hint == tuple[str, ...]:
        items = (value,) if isinstance(value, str) else value
        if isinstance(items, (tuple, list)) and all(isinstance(item, str) for item in items):
            try:
                parse_layer_schedule(tuple(items))
            except SettingsError as error:
                raise SettingsError(f"{flag_of(name)}, {error}") from None
            return tuple(items)
    elif bool in allowed:
        if isinstance(value, bool):
            return value
    elif isinstance(value, bool):
        pass
    elif int in allowed and isinstance(value, int):
        return value
    elif float in allowed and isinstance(value, (int, float)):
        return float(value)
    elif Path in allowed and isinstance(value, (str, Path)):
        return Path(value)
    elif str in allowed and isinstance(value, (str, int)):
        return str(value)
    raise SettingsError(f"{name} = {value!r} is not {describe_type(hint)}")


def parse_number_or_schedule(name: str, text: str, hint: Any) -> float | Schedule:
    """Return the number that a text is, or the schedule. Raises SettingsError for neither."""
    whole = int in get_args(hint)
    try:
        return int(text) if whole else float(text)
    except ValueError:
        pass
    try:
        schedule = Schedule(text)
    except SettingsError as error:
        if has_keyframes(text):
            raise SettingsError(f"{flag_of(name)}, {error}") from None
        why = str(error).removeprefix(f"{value_label(text)}: ")
        kind = describe_type(hint)
        raise SettingsError(
            f"{flag_of(name)} {text!r} is not {kind}, nor a schedule: {why}"
        ) from None
    if has_keyframes(text) or schedule.has_time_expressions:
        return schedule
    value = schedule.at(Moment())
    if math.isnan(value):
        raise SettingsError(f"{flag_of(name)} {text!r} has no value, or too large a one")
    if whole and not value.is_integer():
        raise SettingsError(f"{flag_of(name)} {text!r} is not {describe_type(hint)}")
    return int(value) if whole else value


def describe_type(hint: Any) -> str:
    """Return a type in words: `a whole number`."""
    if hint == tuple[str, ...]:
        return "a text or a list of texts"
    allowed = get_args(hint) or (hint,)
    words = {bool: "true or false", int: "a whole number", float: "a number", Path: "a path"}
    return next((words[kind] for kind in words if kind in allowed), "a text")


def check_range(setting: Field[Any], value: Any) -> None:
    """Raise SettingsError where a value is not finite, out of its range, or not a known choice.

    Of a schedule, the keyframes whose value does not depend on time are looked at.
    """
    rule, flag = setting.metadata, flag_of(setting.name)
    if rule.get("choices") and value not in rule["choices"]:
        raise SettingsError(f"{flag} {value!r} is unknown; choose {', '.join(rule['choices'])}")
    if isinstance(value, Schedule):
        for keyframe, number in value.constant_keyframes:
            if not in_range(setting, number):
                raise out_of_range_error(setting, f", {keyframe.label}:", number)
    elif isinstance(value, (int, float)) and not in_range(setting, value):
        raise out_of_range_error(setting, "", value)


def in_range(setting: Field[Any], value: float) -> bool:
    """Return whether a number is finite and in the range of a setting."""
    low, high, above = (setting.metadata.get(name) for name in ("low", "high", "above"))
    return (
        math.isfinite(value)
        and (low is None or value >= low)
        and (high is None or value <= high)
        and (above is None or value > above)
    )


def clamp_to_range(setting: Field[Any], value: float, is_integer: bool) -> float:
    """Return a number brought into the range of a setting, and rounded where it is a whole one."""
    low, high, above = (setting.metadata.get(name) for name in ("low", "high", "above"))
    if above is not None:
        low = math.nextafter(above, math.inf)
    value = value if low is None else max(low, value)
    value = value if high is None else min(high, value)
    return math.floor(value + 0.5) if is_integer else value


def out_of_range_error(setting: Field[Any], where: str, value: float) -> SettingsError:
    """Return the error of a number out of range; `where` follows the flag."""
    low, high, above = (setting.metadata.get(name) for name in ("low", "high", "above"))
    bounds = [f"above {above:g}"] if above is not None else []
    bounds += [f"at least {low:g}"] if low is not None else []
    bounds += [f"at most {high:g}"] if high is not None else []
    flag, wanted = flag_of(setting.name), " and ".join(bounds)
    if math.isnan(value) and where:
        return SettingsError(f"{flag}{where} it has no value; it must be {wanted}")
    number = f"{value:g}" if where else value
    return SettingsError(f"{flag}{where} {number} is out of range: it must be {wanted}")


def format_setting_value(value: Any) -> str:
    """Return a setting's plain value as a person writes it: `on`, `1.5`, `A=1 B=0.5`."""
    if isinstance(value, list):
        return " ".join(map(str, value))
    if value is None or isinstance(value, bool):
        return {None: "unset", True: "on", False: "off"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def plain_value(value: Any) -> Any:
    """Return a setting's value as TOML, JSON and the command line hold it."""
    if isinstance(value, Schedule):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
