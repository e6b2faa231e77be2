"""The latest frame of a render, in a file that a picture viewer can keep open."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable
from pathlib import Path

from dreamflow.errors import DreamFlowWarning, OutputError, SettingsError
from dreamflow.frames import Frame
from dreamflow.media.stills import WRITABLE, write_picture

SHARE = 0.05
"""Of the time of a render that may go into writing the latest frame."""


class Watch:
    """Writes the latest frame to a file, as often as takes little time; the very last one always.

    The file is replaced in one go, so that a viewer never sees half of it.
    """

    def __init__(self, path: Path, others: Iterable[Path] = ()) -> None:
        """Raise SettingsError for a file that is not written as a picture, or one of others."""
        if path.suffix.lower() not in WRITABLE:
            raise SettingsError(f"--watch {path}: the picture is written as {', '.join(WRITABLE)}")
        if not path.absolute().parent.is_dir():
            raise SettingsError(f"--watch {path}: the folder does not exist; make it first")
        if any(path.absolute() == other.absolute() for other in others):
            raise SettingsError(f"--watch {path}: this is another file of the render")
        self.path = path
        self._latest: Frame | None = None
        self._next = 0.0

    def show(self, frame: Frame) -> None:
        """Take a frame, and write it unless one was written just now."""
        self._latest = frame
        if time.monotonic() >= self._next:
            self.write()

    def write(self) -> None:
        """Write the latest frame where it is not. A render does not end for want of that."""
        if self._latest is None:
            return
        started = time.monotonic()
        try:
            write_picture(self.path, self._latest.picture)
        except OutputError as error:
            warnings.warn(f"--watch: {error}", DreamFlowWarning, 2)
        self._latest = None
        self._next = time.monotonic() + (time.monotonic() - started) / SHARE
