"""Pictures of a sequence, a damaged one replaced by the one before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

from dreamflow.core.errors import MediaError

PictureT = TypeVar("PictureT")


class PictureSequence(Generic[PictureT]):
    """The pictures of some files, each of which may be read in any order.

    Attributes:
        files: The files.
        damaged: Those that could not be read so far, by their place in `files`.
    """

    def __init__(self, files: Sequence[Path], read: Callable[[Path], PictureT]) -> None:
        """Hold the files.

        Args:
            files: At least one file.
            read: Returns the picture of a file, or raises MediaError where it is damaged.
        """
        self.files, self._read_file = files, read
        self.damaged: dict[int, MediaError] = {}
        self._latest: tuple[int, PictureT] | None = None

    def read(self, index: int) -> PictureT:
        """Return the picture of file `index`, or where that is damaged of the one before it.

        Where all before it are damaged too, the first after it that is not stands in. So a
        picture is the same wherever reading begins.

        Raises:
            MediaError: No picture of the sequence can be read.
        """
        for place in [*range(index, -1, -1), *range(index + 1, len(self.files))]:
            if self._latest is not None and self._latest[0] == place:
                return self._latest[1]
            if place in self.damaged:
                continue
            try:
                picture = self._read_file(self.files[place])
            except MediaError as error:
                self.damaged[place] = error
                continue
            self._latest = place, picture
            return picture
        raise next(iter(self.damaged.values()))
