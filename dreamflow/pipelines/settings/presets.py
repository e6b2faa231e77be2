"""Presets: TOML files that hold the settings that differ from the defaults."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import platformdirs

from dreamflow.core.errors import SettingsError, named
from dreamflow.core.files.documents import read_toml
from dreamflow.core.options.declaration import Options, resolve_field_types
from dreamflow.core.options.validation import read_setting_text
from dreamflow.core.text.did_you_mean import did_you_mean, suggest_similar
from dreamflow.core.text.spelling import to_british_spelling
from dreamflow.core.text.wording import MAX_SHOWN_CHARS
from dreamflow.pipelines.settings.groups import groups_by_saved_setting

DESCRIPTION_KEY = "description"
"""Key of a preset's one-line description."""
MIN_PRESET_SIMILARITY = 0.5
"""Smallest `difflib` ratio of a suggested preset of the same first letter: names are short."""
MISSPELT_SIMILARITY = 0.85
"""`difflib` ratio from which on a name is a slip, rather than a word for a look."""
MIN_WORD_CHARS = 3
"""Shortest word that is looked for in descriptions of presets."""
MAX_QUOTED_CHARS = 60
"""Most characters of a line that an error shows."""
PACKAGE_FOLDER = Path(__file__).parents[2]
PRESET_FOLDERS = (PACKAGE_FOLDER / "shipped_presets", PACKAGE_FOLDER.parent / "presets")
"""Where the presets are in an installed package, and in a checkout."""


def list_preset_files() -> dict[str, Path]:
    """Return the presets that come with DreamFlow, by name."""
    for folder in PRESET_FOLDERS:
        files = {path.stem: path for path in sorted(folder.glob("*.toml"))}
        if files:
            return files
    return {}


def user_presets_folder() -> Path:
    """Return the folder of the user's presets: in `$DREAMFLOW_HOME`, else beside settings."""
    home = os.environ.get("DREAMFLOW_HOME")
    return (Path(home) if home else Path(platformdirs.user_config_dir("dreamflow"))) / "presets"


def list_user_preset_files() -> dict[str, Path]:
    """Return the user's own presets, by name; one of a shipped preset's name does not count."""
    shipped = list_preset_files()
    files = {path.stem: path for path in sorted(user_presets_folder().glob("*.toml"))}
    return {name: path for name, path in files.items() if name not in shipped}


def find_presets(word: str) -> list[str]:
    """Return the names of the presets whose descriptions have a word.

    Args:
        word: Such as `dogs`, or several; of these any will do. A final s does not matter.
    """
    stems = [part.removesuffix("s") for part in re.findall(r"[a-z]+", word.casefold())]
    stems = [re.escape(stem) for stem in stems if len(stem) >= MIN_WORD_CHARS]
    if not stems:
        return []
    return [
        name
        for name, path in list_preset_files().items()
        if re.search(
            rf"\b({'|'.join(stems)})s?\b", read_toml(path).get(DESCRIPTION_KEY, "").casefold()
        )
    ]


def note_presets(error: SettingsError, word: str) -> None:
    """Add to an error about a word the presets whose descriptions have it, if any."""
    if presets := find_presets(word):
        error.add_note(f"looks of that kind: {named('preset')} {' or '.join(presets)}")


def find_preset_file(name: str) -> Path:
    """Return the file of a preset.

    Args:
        name: Its name, or the path of a .toml file.

    Raises:
        SettingsError: There is no such preset or file.
    """
    if name.lower().endswith(".toml"):
        path = Path(name)
        if not path.is_file():
            raise SettingsError(
                f"{named('preset')} {name}: there is no such file", setting="preset", value=name
            )
        return path
    files = list_preset_files() | list_user_preset_files()
    if name not in files:
        misspelt = get_close_matches(name.casefold(), files, cutoff=MISSPELT_SIMILARITY)
        like = [file for file in files if file[0] == name[:1].casefold()]
        hint = did_you_mean(misspelt or find_presets(name)) or suggest_similar(
            name, like, min_similarity=MIN_PRESET_SIMILARITY
        )
        hint = hint or f"; there are {', '.join(files)}"
        raise SettingsError(
            f"there is no preset {name!r}{hint}",
            setting="preset",
            value=name,
            allowed=", ".join(files),
        )
    return files[name]


def load_preset(name: str) -> tuple[str, dict[str, Any]]:
    """Return a preset's description and its settings.

    Args:
        name: Its name, or the path of a .toml file.

    Raises:
        SettingsError: There is no such preset, it is not TOML, a key is unknown, or a value has a
            wrong type or is out of range. The error names the file and the key.
    """
    path = find_preset_file(name)
    content = read_toml(path)
    description = content.pop(DESCRIPTION_KEY, "")
    if not isinstance(description, str):
        raise SettingsError(f"{path}: {DESCRIPTION_KEY} is not a text", where=str(path))
    return description, validate_settings(content, str(path))


def validate_settings(settings: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return settings with their names, types and ranges checked.

    Args:
        settings: Values by name; names may be written with dashes.
        where: The file or table, which leads every error.

    Raises:
        SettingsError: A name is unknown, or a value has a wrong type or is out of range.
    """
    known = groups_by_saved_setting()
    checked: dict[str, Any] = {}
    for key, value in settings.items():
        name = to_british_spelling(key.replace("-", "_"))
        if name in checked:
            raise SettingsError(f"{where}: {name} is given twice", setting=name, where=where)
        if name not in known:
            hint = suggest_similar(name, known) or "; `dreamflow video --help` lists all settings"
            raise SettingsError(
                f"{where}: {key[:MAX_SHOWN_CHARS]} is not a setting{hint}",
                setting=key,
                value=value,
                where=where,
            )
        try:
            checked[name] = parse_setting_value(name, value, known[name])
        except SettingsError as error:
            raise error.located(where) from error
    return checked


def parse_setting_value(name: str, value: Any, groups: tuple[type[Options], ...]) -> Any:
    """Return a setting's value as the first of its groups that accepts it parses it.

    A setting of several commands may be optional in one, and have a default in another.

    Raises:
        SettingsError: No group accepts it; the error is that of the first.
    """
    first_error: SettingsError | None = None
    for group in groups:
        try:
            given = read_setting_text(value, resolve_field_types(group)[name])
            return group.validate_value(name, given)
        except SettingsError as error:
            first_error = first_error or error
    assert first_error is not None
    raise first_error
