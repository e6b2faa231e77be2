"""Paths in the record of an output: published without the machine's folders, and found again.

An output is shared, so its record names files relative to the folder that holds the output, or by
their name alone. A job's own files keep the paths as they were given.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from dreamflow.media.read.cut_list import CUTS_KEYWORDS
from dreamflow.media.read.sequences.picture_files import is_file_pattern, match_pictures
from dreamflow.media.records.embedded_settings import REQUESTED_SETTINGS_KEY
from dreamflow.media.sound.options import split_data
from dreamflow.pipelines.settings.groups import path_settings

MIN_SHARED_FOLDERS = 2
"""Folders from the root, such as /home/ann, that a file must share with the output to be named
relative to it; others are named without a folder."""
MAX_SEARCHED_FOLDERS = 3
"""Folders above an output in which the files of its record are looked for."""


def publish_path(path: str | Path, output: Path) -> str:
    """Return a path as an output may name it.

    Args:
        path: As it was given. A relative one stays as it is.
        output: The output.

    Returns:
        An absolute path relative to the folder that holds the output; only the file's name where
        it lies elsewhere, and the two share fewer than `MIN_SHARED_FOLDERS` folders.
    """
    if not Path(path).is_absolute():
        return str(path)
    folder = output.absolute().parent
    try:
        relative = Path(os.path.relpath(path, folder))
    except ValueError:  # on another drive
        return Path(path).name
    folders_up = relative.parts.count(os.pardir)
    shared = len(folder.parts) - 1 - folders_up
    is_near = folders_up == 0 or shared >= MIN_SHARED_FOLDERS
    return str(relative) if is_near else Path(path).name


def publish_settings(settings: Mapping[str, Any], output: Path) -> dict[str, Any]:
    """Return an output's settings as they may be published; see `publish_path`."""
    return change_paths(settings, lambda path: publish_path(path, output))


def publish_record(record: Mapping[str, Any], output: Path) -> dict[str, Any]:
    """Return an output's record as it may be published; see `publish_path`."""
    return dict(record) | {
        key: publish_settings(record[key], output)
        for key in ("settings", REQUESTED_SETTINGS_KEY)
        if key in record
    }


def locate_settings(settings: Mapping[str, Any], output: Path) -> dict[str, Any]:
    """Return settings from an output's record with the files that they name found again.

    Files are looked for from the current folder, then from the folders above the output.

    Args:
        settings: The settings.
        output: The output, or the .json that holds its record.
    """
    return change_paths(settings, lambda path: _locate(path, output))


def find_missing(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return those of some settings that name a file or folder that is not there, by name."""
    return {name: path for name, path in given_paths(settings) if not _exists(Path(path))}


def given_paths(settings: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the files and folders that some settings name, each with its setting."""
    found: list[tuple[str, str]] = []
    for name in sorted(path_settings() & settings.keys()):
        value = settings[name]
        if isinstance(value, str) and value not in CUTS_KEYWORDS:
            found.append((name, value))
        elif isinstance(value, (list, tuple)):
            texts = cast("list[str] | tuple[str, ...]", value)
            found += [(name, split_data(text)[1]) for text in texts]
    return found


def change_paths(settings: Mapping[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """Return settings whose files and folders are named by what a function returns for them."""

    def change_value(value: Any) -> Any:
        if isinstance(value, str):
            return value if value in CUTS_KEYWORDS else change(value)
        if not isinstance(value, (list, tuple)):
            return value
        pairs = map(split_data, cast("list[str] | tuple[str, ...]", value))
        changed = [f"{name}={change(path)}" for name, path in pairs]
        return changed if isinstance(value, list) else tuple(changed)

    paths = path_settings() & settings.keys()
    return {n: change_value(value) if n in paths else value for n, value in settings.items()}


def _locate(text: str, output: Path) -> str:
    path = Path(text)
    folders = output.absolute().parents[:MAX_SEARCHED_FOLDERS]
    if path.is_absolute() or _exists(path):
        return text
    return next((str(folder / path) for folder in folders if _exists(folder / path)), text)


def _exists(path: Path) -> bool:
    return bool(match_pictures(path)) if is_file_pattern(path) else path.exists()
