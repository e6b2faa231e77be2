"""The picture files that a source names: a folder, a glob, or a pattern of frame numbers."""

from __future__ import annotations

import re
from pathlib import Path

from dreamflow.core.errors import MediaError
from dreamflow.media.files.playlist import is_playlist, list_playlist_files
from dreamflow.media.files.sequence_name import FRAME_NUMBER, compile_number_pattern
from dreamflow.media.stills.read import is_picture

GLOB_CHARACTERS = re.compile(r"[*?\[]")


def natural_sort_key(path: Path) -> tuple[list[tuple[int, int | str]], str]:
    """Return a sort key of file names that counts their digits as numbers: 100 after 99."""
    parts = re.split(r"([0-9]+)", path.name.casefold())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts], path.name


def is_file_pattern(source: Path) -> bool:
    """Return whether a source is a pattern of file names, and not an existing file.

    A pattern is a glob (`shot_*.png`), or has one place for the frame number (`shot_%04d.png`,
    `shot_####.png`).
    """
    if source.exists():
        return False
    return _is_glob(source) or len(FRAME_NUMBER.findall(source.name)) == 1


def match_pictures(source: Path) -> list[Path]:
    """Return the pictures that a pattern matches, unsorted; none where it is not a pattern."""
    if not is_file_pattern(source):
        return []
    if _is_glob(source):
        found = list(source.parent.glob(source.name))
    elif source.parent.is_dir():
        names = compile_number_pattern(source.name)
        found = [path for path in source.parent.iterdir() if names.fullmatch(path.name)]
    else:
        return []
    return [path for path in found if _is_visible_picture(path)]


def list_pictures(source: Path) -> tuple[Path, ...] | None:
    """Return the pictures of a folder or pattern in natural order, or None for a file.

    Raises:
        MediaError: The folder or pattern has no pictures.
    """
    if source.is_dir():
        files = [path for path in source.iterdir() if _is_visible_picture(path)]
        if not files:
            raise MediaError(f"{source} is a folder without pictures", where=str(source))
    elif not is_file_pattern(source):
        return None
    else:
        files = match_pictures(source)
        if not files:
            raise MediaError(f"{source} matches no pictures", where=str(source))
    return tuple(sorted(files, key=natural_sort_key))


def list_source_files(source: Path) -> list[Path]:
    """Return the pictures of a folder or pattern in natural order, or the file itself.

    A playlist is followed by the files that it names.

    Raises:
        MediaError: The folder or pattern has no pictures, or the playlist must not be opened.
    """
    if is_playlist(source):
        return [source, *list_playlist_files(source)]
    return list(list_pictures(source) or (source,))


def _is_glob(source: Path) -> bool:
    return GLOB_CHARACTERS.search(source.name) is not None


def _is_visible_picture(path: Path) -> bool:
    """Return whether a path is a file with a picture's suffix, and not hidden."""
    return is_picture(path) and not path.name.startswith(".") and path.is_file()
