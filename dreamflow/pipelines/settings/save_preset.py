"""Saving a look as a preset: a TOML file with the settings that differ from the defaults."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from dreamflow.core.errors import OutputError, SettingsError, named
from dreamflow.core.options.declaration import plain_value
from dreamflow.media.files.atomic_file import atomic_write
from dreamflow.media.records.embedded_settings import read_record, requested_settings
from dreamflow.pipelines.settings.groups import defaults_of, is_of_the_look
from dreamflow.pipelines.settings.looks import ALL_PRESETS
from dreamflow.pipelines.settings.paths import change_paths, locate_settings
from dreamflow.pipelines.settings.presets import (
    DESCRIPTION_KEY,
    list_preset_files,
    user_presets_folder,
    validate_settings,
)

PRESET_SUFFIX = ".toml"
PRESET_NAME_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
"""What a preset may be called: a word that every system takes for a file name."""


def read_look_of(output: Path, also: Container[str] = ()) -> dict[str, Any]:
    """Return the settings of an output's look that differ from the defaults, as plain values.

    Files that they name are named by their absolute paths.

    Args:
        output: A film, picture or folder of pictures that DreamFlow made.
        also: Names of settings that are taken besides those of the look.

    Raises:
        SettingsError: It holds no settings, or wrong ones.
    """
    recorded = requested_settings(read_record(output))
    checked = locate_settings(validate_settings(recorded, str(output)), output)
    plain = {name: plain_value(value) for name, value in checked.items()}
    look = {
        name: value
        for name, value in plain.items()
        if (is_of_the_look(name) or name in also) and value not in defaults_of(name)
    }
    return change_paths(look, lambda path: str(Path(path).absolute()))


def find_preset_path(name: str) -> Path:
    """Return the file that a preset of the user's is saved to.

    Args:
        name: A word, for a preset in the user's own folder; or the path of a .toml file.

    Raises:
        SettingsError: The word cannot be a preset's name, or is that of a preset that comes with
            DreamFlow.
    """
    if name.lower().endswith(PRESET_SUFFIX):
        return Path(name)
    if not re.fullmatch(PRESET_NAME_PATTERN, name) or name.lower() == ALL_PRESETS:
        raise SettingsError(
            f"{named('preset')} {name!r} cannot be a preset's name: use letters, digits, _ and -, "
            f"and not {ALL_PRESETS}; or name a {PRESET_SUFFIX} file",
            setting="preset",
            value=name,
            allowed=PRESET_NAME_PATTERN,
        )
    if name in list_preset_files():
        raise SettingsError(
            f"{name} comes with DreamFlow: give your preset another name",
            setting="preset",
            value=name,
        )
    return user_presets_folder() / f"{name}{PRESET_SUFFIX}"


def save_preset(
    name: str, settings: Mapping[str, Any], description: str = "", *, overwrite: bool = False
) -> Path:
    """Write a preset, completely or not at all, and return its file.

    Args:
        name: As `find_preset_path` takes it.
        settings: Plain values by name.
        description: One line about it.
        overwrite: Whether a file that exists may be replaced.

    Raises:
        SettingsError: The name cannot be a preset's, or a setting is wrong.
        OutputError: The file exists, or cannot be written.
    """
    path = find_preset_path(name)
    validate_settings(settings, str(path))
    if path.exists() and not overwrite:
        raise OutputError(
            f"{path} exists already; add {named('overwrite')} to replace it",
            setting="overwrite",
            where=str(path),
        )
    if path.parent == user_presets_folder():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{path.parent} cannot be made: {error.strerror}") from error
    with atomic_write(path) as part:
        part.write_text(format_preset(settings, description), encoding="utf-8")
    return path


def format_preset(settings: Mapping[str, Any], description: str = "") -> str:
    """Return the text of a preset.

    Args:
        settings: Plain values by name; those that are unset are left out, since TOML has no null.
        description: One line about it; "" for none.
    """
    lines = [f"{DESCRIPTION_KEY} = {_to_toml(description)}"] if description else []
    lines += [
        f"{name} = {_to_toml(value)}" for name, value in settings.items() if value is not None
    ]
    return "\n".join(lines) + "\n"


def _to_toml(value: Any) -> str:
    """Return a plain value as TOML writes it: as JSON does, but for the delete character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
