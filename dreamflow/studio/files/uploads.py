"""Files that are dropped into the page: kept in a folder of the studio's own."""

from __future__ import annotations

import re
from pathlib import Path

from dreamflow.core.errors import OutputError
from dreamflow.studio.files.folders import MEDIA_SUFFIXES, SOUND_SUFFIXES

MAX_UPLOAD_BYTES = 4 * 2**30
"""Bytes of a file at most."""
MAX_STEM_CHARS = 100


class Uploads:
    """A folder of files that were dropped.

    Attributes:
        folder: The folder; it is made.
    """

    def __init__(self, folder: Path) -> None:
        """Open the folder. Raises OutputError where it cannot be made."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{folder} cannot be made: {error.strerror}") from error
        self.folder = folder.resolve()

    def find_place(self, name: str) -> Path:
        """Return where a dropped file goes: a path in the folder, where nothing is yet.

        Args:
            name: What the browser calls it; only its last part counts.

        Raises:
            OutputError: It is no film, picture or sound by its name.
        """
        last = re.split(r"[/\\]", name)[-1]
        stem, suffix = Path(last).stem, Path(last).suffix.lower()
        if suffix not in MEDIA_SUFFIXES | SOUND_SUFFIXES:
            raise OutputError(
                f"{last[:MAX_STEM_CHARS] or 'a file without a name'} is no film, picture or "
                "sound that is known by its name: drop .mp4, .png, .wav or another one of these"
            )
        stem = re.sub(r"[\x00-\x1f\x7f]", "", stem).lstrip(".")[:MAX_STEM_CHARS] or "file"
        number = 1
        while True:
            place = self.folder / f"{stem}{f'-{number}' if number > 1 else ''}{suffix}"
            if not place.exists():
                return place
            number += 1
