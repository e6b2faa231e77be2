"""Paths in the record of an output: published without the machine's folders, and found again.

An output is shared, so its record names files relative to the folder that holds the output, or by
their name alone. A job's own files keep the paths as they were given.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dreamflow.media.embedded_settings import REQUESTED_SETTINGS_KEY
from dreamflow.media.read.cut_list import CUTS_KEYWORDS
from dreamflow.media.read.picture_files import is_file_pattern, match_pictures
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
    return dict(settings) | {
        name: publish_path(value, output) for name, value in given_paths(settings).items()
    }


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
    return dict(settings) | {
        name: _locate(value, output) for name, value in given_paths(settings).items()
    }


def find_missing(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return those of some settings that name a file or folder that is not there, by name."""
    return {n: path for n, path in given_paths(settings).items() if not _exists(Path(path))}


def given_paths(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return those of some settings that name a file or folder, by name."""
    return {
        name: settings[name]
        for name in path_settings()
        if isinstance(settings.get(name), str) and settings[name] not in CUTS_KEYWORDS
    }


def _locate(text: str, output: Path) -> str:
    path = Path(text)
    folders = output.absolute().parents[:MAX_SEARCHED_FOLDERS]
    if path.is_absolute() or _exists(path):
        return text
    return next((str(folder / path) for folder in folders if _exists(folder / path)), text)


def _exists(path: Path) -> bool:
    return bool(match_pictures(path)) if is_file_pattern(path) else path.exists()
