"""The folders that the studio may read from and write to: those that its user has named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dreamflow.core.errors import MediaError, OutputError, SettingsError, named
from dreamflow.pipelines.settings.paths import given_paths

FILM_SUFFIXES = frozenset(
    {
        *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".mts", ".m2ts"),
        *(".ts", ".wmv", ".flv", ".ogv", ".mxf", ".y4m", ".gif", ".apng"),
    }
)
PICTURE_SUFFIXES = frozenset(
    {
        *(".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".avif", ".heic", ".heif"),
        *(".jp2", ".tga", ".psd", ".exr", ".hdr", ".pfm", ".dpx"),
    }
)
SOUND_SUFFIXES = frozenset(
    {".wav", ".mp3", ".flac", ".m4a", ".aac", ".ogg", ".opus", ".aif", ".aiff"}
)
MEDIA_SUFFIXES = FILM_SUFFIXES | PICTURE_SUFFIXES
"""Suffixes of the files that are listed; others are opened by their path."""
MAX_LISTED = 2000
"""Files and folders of a folder that are listed at most."""


@dataclass(frozen=True)
class ListedFile:
    """A file or folder in a listing.

    Attributes:
        path: Its path.
        is_folder: Whether it is a folder.
    """

    path: Path
    is_folder: bool


class OpenFolders:
    """Decides which paths may be used: those in the folders that were named, links followed.

    Attributes:
        roots: The folders, resolved.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        """Name the folders.

        Raises:
            SettingsError: One of them is no folder.
        """
        for root in roots:
            if not root.is_dir():
                raise SettingsError(
                    f"{named('folder')} {root} is no folder", setting="folder", value=str(root)
                )
        self.roots = tuple(dict.fromkeys(root.resolve() for root in roots))

    def add(self, folder: Path) -> None:
        """Open another folder, after the others."""
        self.roots = tuple(dict.fromkeys((*self.roots, folder.resolve())))

    def holds(self, path: Path) -> bool:
        """Return whether a path lies in one of the folders, wherever links in it lead."""
        try:
            resolved = path.resolve()
        except (OSError, RuntimeError, ValueError):  # a circle of links, a null character
            return False
        return any(resolved.is_relative_to(root) for root in self.roots)

    def find(self, text: str) -> Path:
        """Return the path that a text names: as it is, or from one of the folders.

        Raises:
            MediaError: It is nothing in the folders.
        """
        text = text.strip()
        for path in (Path(text).expanduser(), *(root / text for root in self.roots)):
            if text and self.holds(path) and _exists(path):
                return path.resolve()
        raise MediaError(
            f"{text or 'nothing'}: there is no such file in the folders that are open; start the "
            f"studio with {named('folder')} to open another",
            where=text,
        )

    def check_output(self, text: str) -> Path:
        """Return the path that an output may be written to.

        Args:
            text: Its path, or its name for the first of the folders.

        Raises:
            OutputError: It lies outside of the folders.
        """
        path = Path(text.strip()).expanduser()
        path = path if path.is_absolute() else self.roots[0] / path
        if not text.strip() or not self.holds(path) or not self.holds(path.parent):
            raise OutputError(
                f"{text or 'nothing'} is not in a folder that is open: these are "
                f"{', '.join(map(str, self.roots))}",
                where=text,
            )
        return path

    def check_settings(self, settings: Mapping[str, Any]) -> None:
        """Check that the files that settings name lie in the folders.

        Raises:
            SettingsError: One does not.
        """
        for name, value in given_paths(settings):
            if not self.holds(Path(value)):
                raise SettingsError(
                    f"{named(name)} {value} is not in a folder that is open",
                    setting=name,
                    value=value,
                )

    def list(self, folder: Path) -> list[ListedFile]:
        """Return the folders and the films and pictures in a folder, hidden ones left out.

        Raises:
            MediaError: The folder is not open, or cannot be read.
        """
        if not self.holds(folder):
            raise MediaError(f"{folder} is not in a folder that is open", where=str(folder))
        try:
            entries = sorted(folder.iterdir(), key=lambda path: path.name.casefold())
        except OSError as error:
            raise MediaError(f"{folder} cannot be read: {error.strerror}") from error
        shown = [path for path in entries if not path.name.startswith(".") and self.holds(path)]
        listed = [ListedFile(path, path.is_dir()) for path in shown]
        wanted = [one for one in listed if one.is_folder or is_media(one.path)]
        return sorted(wanted, key=lambda one: not one.is_folder)[:MAX_LISTED]


def is_media(path: Path) -> bool:
    """Return whether a file's name is one of a film or picture."""
    return path.suffix.lower() in MEDIA_SUFFIXES


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
