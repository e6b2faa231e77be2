"""Reading gains from a TOML file, or from a table such as a sweep makes."""

from __future__ import annotations

from dataclasses import Field, fields
from pathlib import Path
from typing import Any

from dreamflow.core.errors import SettingsError
from dreamflow.core.files.documents import read_toml
from dreamflow.core.text.did_you_mean import suggest_similar
from dreamflow.core.text.wording import shorten_repr
from dreamflow.temporal.control.gains import Gains, check_gain


def load_gains(path: Path) -> Gains:
    """Return the gains of a TOML file over the defaults.

    A value is a number in the gain's unit, or a text with that unit: `age_time = "0.5 s"`.

    Raises:
        SettingsError: The file cannot be read, a key is unknown, or a value is out of its range or
            in another unit.
    """
    return parse_gains(read_toml(path), str(path))


def parse_gains(content: dict[str, Any], where: str) -> Gains:
    """Return the gains of a table over the defaults; `where` names it in errors.

    Raises:
        SettingsError: See `load_gains`.
    """
    declared = {one.name: one for one in fields(Gains)}
    values: dict[str, float] = {}
    for key, value in content.items():
        if key not in declared:
            hint = suggest_similar(key, declared)
            raise SettingsError(
                f"{where}: {key} is not a gain{hint}", setting=key, value=value, where=where
            )
        try:
            values[key] = parse_gain(declared[key], value)
            check_gain(declared[key], values[key])
        except SettingsError as error:
            raise error.located(where) from error
    try:
        return Gains(**values)
    except SettingsError as error:
        raise error.located(where) from error


def parse_gain(declared: Field[Any], value: Any) -> Any:
    """Return the number of a gain, without its unit. Raises SettingsError for another unit."""
    if not isinstance(value, str):
        return value
    unit = declared.metadata["unit"]
    number, _, given = value.strip().partition(" ")
    try:
        result = float(number)
    except ValueError:
        result = None
    if result is None or given.strip() != unit:
        raise SettingsError(
            f"{declared.name} = {shorten_repr(value)}: write a number in its unit, {unit}",
            setting=declared.name,
            value=value,
            allowed=unit,
        )
    return result
