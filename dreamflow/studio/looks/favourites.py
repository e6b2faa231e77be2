"""Looks that are kept: a list in a file beside the queue."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from dreamflow.core.errors import DreamFlowError
from dreamflow.core.files.documents import DocumentError, ShortText, fit_schema, parse_json
from dreamflow.core.files.regular_file import read_file_text
from dreamflow.media.files.atomic_file import atomic_write
from dreamflow.media.records.record_schema import Settings
from dreamflow.studio.looks.controls import check_look, find_changes

FAVOURITES_FILE = "favourites.json"


class Favourite(Struct, frozen=True):
    """A look that is kept: what it is called, and its settings as plain values."""

    name: ShortText
    settings: Settings


class FavouritesDocument(Struct, frozen=True):
    """The file."""

    looks: Annotated[list[Favourite], Meta(max_length=1000)]


class Favourites:
    """The looks that are kept, latest first.

    Attributes:
        notes: What was wrong with the file.
    """

    def __init__(self, folder: Path) -> None:
        """Read those of a folder; a damaged file is put aside, and said so."""
        self._path, self.notes = folder / FAVOURITES_FILE, list[str]()
        self._looks = self._read()

    @property
    def looks(self) -> list[Favourite]:
        """The looks."""
        return list(self._looks)

    def holds(self, settings: Mapping[str, Any]) -> bool:
        """Return whether a look is kept, whatever its name."""
        return any(one.settings == settings for one in self._looks)

    def toggle(self, name: str, settings: Mapping[str, Any]) -> None:
        """Keep a look, or let go of it.

        Raises:
            OutputError: The file cannot be written.
        """
        if self.holds(settings):
            self._looks = [one for one in self._looks if one.settings != settings]
        else:
            self._looks.insert(0, Favourite(name[:200], dict(settings)))
        content = msgspec.to_builtins(FavouritesDocument(self._looks))
        with atomic_write(self._path) as part:
            part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")

    def _read(self) -> list[Favourite]:
        if not self._path.exists():
            return []
        try:
            document = fit_schema(parse_json(read_file_text(self._path)), FavouritesDocument)
            for look in document.looks:
                check_look(find_changes(look.settings))
        except (OSError, UnicodeError, DocumentError, DreamFlowError) as error:
            aside = self._path.with_suffix(".damaged.json")
            self._path.replace(aside)
            self.notes.append(f"the favourites were damaged, and are put aside as {aside}: {error}")
            return []
        return list(document.looks)
