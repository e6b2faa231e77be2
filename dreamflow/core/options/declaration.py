"""How a setting is declared: default, help line, type and range, and its value at a moment."""

from __future__ import annotations

import math
import warnings
from collections.abc import Container
from dataclasses import Field, field, fields, replace
from functools import lru_cache
from typing import Any, Self, TypeVar, cast, get_args, get_type_hints

from dreamflow.core.errors import IneffectiveSettingWarning, SettingsError, named
from dreamflow.core.options.validation import (
    check_range,
    clamp_to_range,
    coerce,
    in_range,
    join_list,
    out_of_range_error,
)
from dreamflow.core.schedules.schedule import LayerSchedule, Schedule, as_schedule
from dreamflow.core.schedules.timecode import Moment, Timeline

DefaultT = TypeVar("DefaultT")

FloatOrSchedule = float | Any
"""Type of a setting that is a number, a `Schedule`, or the text of one, which is parsed. To type
checkers it is `Any`, because `Options.at` returns plain numbers, which is what calculations use."""
IntOrSchedule = int | Any
"""The same for whole numbers."""


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
    is_path: bool = False,
    is_list: bool = False,
) -> DefaultT:
    """Declare a setting as a field of an `Options` dataclass.

    Args:
        default: Its default value.
        help: One sentence about it.
        low: Smallest value.
        high: Largest value.
        above: A bound that the value must be larger than.
        choices: The values that it may have; empty for any.
        saved: Whether it is recorded with an output and may stand in a preset.
        scheduled: Whether it may change over time.
        metavar: Placeholder for its value in the help.
        panel: Heading that it is listed under, if not that of its group.
        needs: Name of another setting of the group and the value that it must have for this one to
            have an effect; None stands for any value.
        is_path: Whether its value names a file or folder.
        is_list: Whether its value is a text with commas, for which a list may be given.
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
        "is_path": is_path,
        "is_list": is_list,
    }
    return field(default=default, metadata=metadata)


class Options:
    """Base of the settings dataclasses: checks type and range of every field when created."""

    def __post_init__(self) -> None:
        """Check the settings, one by one and together.

        Raises:
            SettingsError: A setting has a wrong type or is out of range, or settings contradict
                each other.
        """
        self._check_fields()
        self._check_combination()

    def _check_fields(self) -> None:
        """Convert each setting to its type, or raise SettingsError for one that cannot be right."""
        types = resolve_field_types(type(self))
        for setting in option_fields(type(self)):
            hint, value = types[setting.name], getattr(self, setting.name)
            value = join_list(value) if setting.metadata["is_list"] else value
            value = coerce(setting.name, value, hint, setting)
            object.__setattr__(self, setting.name, value)
            check_range(setting, value)

    def _check_combination(self) -> None:
        """Raise SettingsError where settings that are right by themselves contradict each other."""

    @classmethod
    def validate_value(cls, name: str, value: Any) -> Any:
        """Return a value of one setting, converted to its type, whatever the others are.

        Raises:
            SettingsError: The value has a wrong type or is out of range.
        """
        options = object.__new__(cls)
        for setting in option_fields(cls):
            object.__setattr__(
                options, setting.name, value if setting.name == name else setting.default
            )
        options._check_fields()
        return getattr(options, name)

    def ineffective_settings(self, given: Container[str]) -> list[str]:
        """Return a sentence for each of the given settings that has no effect, as another lacks."""
        notes: list[str] = []
        for setting in option_fields(type(self)):
            if not setting.metadata["needs"] or setting.name not in given:
                continue
            needed, needed_value = setting.metadata["needs"]
            value = getattr(self, needed)
            if value is None if needed_value is None else value != needed_value:
                shown = f" {needed_value}" if isinstance(needed_value, str) else ""
                notes.append(f"{named(setting.name)} does nothing without {named(needed)}{shown}")
        return notes

    @property
    def schedules(self) -> dict[str, Schedule | LayerSchedule]:
        """The settings that change over time, by name."""
        scheduled = (s.name for s in option_fields(type(self)) if s.metadata["scheduled"])
        by_name = {name: as_schedule(getattr(self, name)) for name in scheduled}
        return {name: schedule for name, schedule in by_name.items() if schedule is not None}

    def at(self, moment: Moment) -> Self:
        """Return the settings of one moment, each schedule replaced by its value then.

        Numbers are clamped to their range; whole ones are rounded.

        Raises:
            SettingsError: The arithmetic of a schedule has no value at this moment.
        """
        rules = {setting.name: setting for setting in option_fields(type(self))}
        values: dict[str, Any] = {}
        for name, schedule in self.schedules.items():
            if isinstance(schedule, LayerSchedule):
                values[name] = schedule.at(moment).texts
                continue
            value = schedule.at(moment)
            if math.isnan(value):
                raise out_of_range_error(rules[name], f", at {moment},", value)
            is_integer = int in get_args(resolve_field_types(type(self))[name])
            values[name] = clamp_to_range(rules[name], value, is_integer)
        return replace(self, **values) if values else self  # type: ignore[type-var]

    def check_schedules(self, timeline: Timeline, warn: bool = True) -> None:
        """Check that every schedule has a value in its range at each frame of a timeline.

        Args:
            timeline: The timeline of the whole output.
            warn: Whether a keyframe past the end of a partial timeline is warned of.

        Raises:
            SettingsError: A keyframe is out of order, past the end of a whole timeline, or a value
                is out of range; the error names the keyframe.
        """
        rules = {setting.name: setting for setting in option_fields(type(self))}
        for name, schedule in self.schedules.items():
            try:
                late_keyframes = schedule.check_keyframes(timeline)
            except SettingsError as error:
                located = error.located(named(name), ", ")
                located.setting = error.setting or name
                raise located from None
            for note in late_keyframes if warn else ():
                warnings.warn(f"{named(name)}, {note}; not reached", IneffectiveSettingWarning, 3)
            if isinstance(schedule, Schedule) and schedule.has_time_expressions:
                _check_every_frame(rules[name], schedule, timeline)


def _check_every_frame(setting: Field[Any], schedule: Schedule, timeline: Timeline) -> None:
    """Raise SettingsError if a schedule is out of range at a frame."""
    for moment in timeline.moments():
        if in_range(setting, schedule.at(moment)):
            continue
        keyframe, value = next(
            (keyframe, own)
            for keyframe, own in schedule.keyframe_values_at(moment)
            if not in_range(setting, own)
        )
        where = f", {keyframe.label}, at {moment}:"
        raise out_of_range_error(setting, where, value)


def option_fields(group: type[Options]) -> tuple[Field[Any], ...]:
    """Return the declared settings of a group."""
    return fields(group)  # type: ignore[arg-type]


@lru_cache(maxsize=32)
def resolve_field_types(group: type) -> dict[str, Any]:
    """Return the type of each setting of a group, by name."""
    return get_type_hints(group)


def warn_ineffective_settings(given: Container[str], *groups: Options, prefix: str = "") -> None:
    """Warn of each given setting of some groups that has no effect; `prefix` leads the warnings."""
    for group in groups:
        for note in group.ineffective_settings(given):
            warnings.warn(f"{prefix}{note}", IneffectiveSettingWarning, 3)


def flag_of(name: str) -> str:
    """Return the command-line flag of a setting: `octave_scale` is `--octave-scale`."""
    return "--" + name.replace("_", "-")


def format_setting_value(value: Any) -> str:
    """Return a setting's plain value as a person writes it: `on`, `1.5`, `A=1 B=0.5`."""
    if isinstance(value, list):
        return " ".join(map(str, cast("list[Any]", value)))
    if value is None or isinstance(value, bool):
        return {None: "unset", True: "on", False: "off"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def plain_value(value: Any) -> Any:
    """Return a setting's value as TOML, JSON and the command line hold it."""
    if isinstance(value, Schedule):
        return str(value)
    return list(cast("tuple[Any, ...]", value)) if isinstance(value, tuple) else value
