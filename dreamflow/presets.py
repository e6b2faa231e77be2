"""Presets: TOML files that hold differences from the defaults, and nothing else."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from dreamflow.errors import SettingsError, nearest
from dreamflow.options import saved_fields
from dreamflow.settings import Options

DESCRIPTION = "description"
PACKAGE = Path(__file__).parent
FOLDERS = (PACKAGE / "shipped_presets", PACKAGE.parent / "presets")
"""Inside an installed package, and in a checkout."""


def preset_files() -> dict[str, Path]:
    """Return the presets that come with DreamFlow, by name."""
    for folder in FOLDERS:
        found = {path.stem: path for path in sorted(folder.glob("*.toml"))}
        if found:
            return found
    return {}


def find_preset(name: str) -> Path:
    """Return the file of a preset, by its name or its path. Raises SettingsError."""
    if name.lower().endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise SettingsError(f"--preset {name}: there is no such file")
        return path
    known = preset_files()
    if name not in known:
        hint = nearest(name, known) or f"; there are {', '.join(known)}"
        raise SettingsError(f"there is no preset {name!r}{hint}")
    return known[name]


def read_toml(path: Path) -> dict[str, Any]:
    """Return what is in a TOML file. Raises SettingsError where it is none, or cannot be read."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from error
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from error


def load_preset(name: str) -> tuple[str, dict[str, Any]]:
    """Return a preset's description and its settings, checked.

    Raises SettingsError, with the file and the key, for a file that is no TOML, a key that is not
    known (with the nearest that is), or a value of a wrong type or out of range.
    """
    path = find_preset(name)
    content = read_toml(path)
    description = content.pop(DESCRIPTION, "")
    if not isinstance(description, str):
        raise SettingsError(f"{path}: {DESCRIPTION} is not a text")
    return description, checked(content, str(path))


def checked(settings: dict[str, Any], where: str) -> dict[str, Any]:
    """Return settings by name with their types and ranges checked; `where` starts each error."""
    known = saved_fields()
    good: dict[str, Any] = {}
    for key, value in settings.items():
        name = key.replace("-", "_")
        if name not in known:
            hint = nearest(name, known) or "; `dreamflow video --help` lists all settings"
            raise SettingsError(f"{where}: {key} is not a setting{hint}")
        try:
            good[name] = value_for(name, value, known[name])
        except SettingsError as error:
            raise SettingsError(f"{where}: {error}") from error
    return good


def value_for(name: str, value: Any, groups: tuple[type[Options], ...]) -> Any:
    """Return a setting's value as the first of its groups that takes it does, or raise its error.

    A name that several commands have may be left open in one, and have a default in the other.
    """
    refused: SettingsError | None = None
    for group in groups:
        try:
            return group.alone(name, value)
        except SettingsError as error:
            refused = refused or error
    assert refused is not None
    raise refused
