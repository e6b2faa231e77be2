"""Presets: TOML files that hold differences from the defaults, and nothing else."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from dreamflow.core.errors import SettingsError, suggest_similar
from dreamflow.core.options.declaration import Options
from dreamflow.pipelines.settings.groups import groups_by_saved_setting

DESCRIPTION_KEY = "description"
PACKAGE_FOLDER = Path(__file__).parents[2]
PRESET_FOLDERS = (PACKAGE_FOLDER / "shipped_presets", PACKAGE_FOLDER.parent / "presets")
"""Inside an installed package, and in a checkout."""


def list_preset_files() -> dict[str, Path]:
    """Return the presets that come with DreamFlow, by name."""
    for folder in PRESET_FOLDERS:
        found = {path.stem: path for path in sorted(folder.glob("*.toml"))}
        if found:
            return found
    return {}


def find_preset_file(name: str) -> Path:
    """Return the file of a preset, by its name or its path. Raises SettingsError."""
    if name.lower().endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise SettingsError(f"--preset {name}: there is no such file")
        return path
    known = list_preset_files()
    if name not in known:
        hint = suggest_similar(name, known) or f"; there are {', '.join(known)}"
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
    path = find_preset_file(name)
    content = read_toml(path)
    description = content.pop(DESCRIPTION_KEY, "")
    if not isinstance(description, str):
        raise SettingsError(f"{path}: {DESCRIPTION_KEY} is not a text")
    return description, validate_settings(content, str(path))


def validate_settings(settings: dict[str, Any], where: str) -> dict[str, Any]:
    """Return settings by name with their types and ranges checked; `where` starts each error."""
    known = groups_by_saved_setting()
    good: dict[str, Any] = {}
    for key, value in settings.items():
        name = key.replace("-", "_")
        if name not in known:
            hint = suggest_similar(name, known) or "; `dreamflow video --help` lists all settings"
            raise SettingsError(f"{where}: {key} is not a setting{hint}")
        try:
            good[name] = parse_setting_value(name, value, known[name])
        except SettingsError as error:
            raise SettingsError(f"{where}: {error}") from error
    return good


def parse_setting_value(name: str, value: Any, groups: tuple[type[Options], ...]) -> Any:
    """Return a setting's value as the first of its groups that takes it does, or raise its error.

    A name that several commands have may be left open in one, and have a default in the other.
    """
    refused: SettingsError | None = None
    for group in groups:
        try:
            return group.validate_value(name, value)
        except SettingsError as error:
            refused = refused or error
    assert refused is not None
    raise refused
