"""The latest frame of a render, in a file that a picture viewer can keep open."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable
from pathlib import Path

from dreamflow.core.errors import DreamFlowWarning, OutputError, SettingsError
from dreamflow.core.frames import Frame
from dreamflow.media.stills import WRITABLE_PICTURE_SUFFIXES, write_picture

MAX_WATCH_TIME_SHARE = 0.05
"""Of the time of a render that may go into writing the latest frame."""


class LatestFrameWriter:
    """Writes the latest frame to a file, as often as takes little time; the very last one always.

    The file is replaced in one go, so that a viewer never sees half of it.
    """

    def __init__(self, path: Path, reserved_paths: Iterable[Path] = ()) -> None:
        """Raise SettingsError for a file that is not written as a picture, or one of others."""
        if path.suffix.lower() not in WRITABLE_PICTURE_SUFFIXES:
            raise SettingsError(
                f"--watch {path}: the picture is written as {', '.join(WRITABLE_PICTURE_SUFFIXES)}"
            )
        if not path.absolute().parent.is_dir():
            raise SettingsError(f"--watch {path}: the folder does not exist; make it first")
        if any(path.absolute() == other.absolute() for other in reserved_paths):
            raise SettingsError(f"--watch {path}: this is another file of the render")
        self.path = path
        self._latest: Frame | None = None
        self._next_write_s = 0.0

    def update(self, frame: Frame) -> None:
        """Take a frame, and write it unless one was written just now."""
        self._latest = frame
        if time.monotonic() >= self._next_write_s:
            self.flush()

    def flush(self) -> None:
        """Write the latest frame where it is not. A render does not end for want of that."""
        if self._latest is None:
            return
        started = time.monotonic()
        try:
            write_picture(self.path, self._latest.picture)
        except OutputError as error:
            warnings.warn(f"--watch: {error}", DreamFlowWarning, 2)
        self._latest = None
        self._next_write_s = time.monotonic() + (time.monotonic() - started) / MAX_WATCH_TIME_SHARE
