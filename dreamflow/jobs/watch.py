"""The latest frame of a render, in a picture file that a viewer can keep open."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable
from pathlib import Path

from dreamflow.core.errors import DreamFlowWarning, OutputError, SettingsError, named
from dreamflow.core.frames import Frame
from dreamflow.media.stills import WRITABLE_PICTURE_SUFFIXES, write_picture

MAX_WATCH_TIME_SHARE = 0.05
"""Largest share of a render's time that goes into writing the latest frame."""


class LatestFrameWriter:
    """Writes the latest frame to a file, as often as takes little time, and the very last one.

    The file is replaced in one go, so that a viewer never reads half of it.

    Attributes:
        path: The file.
    """

    def __init__(self, path: Path, reserved_paths: Iterable[Path] = ()) -> None:
        """Check the file.

        Args:
            path: The file.
            reserved_paths: Other files of the render.

        Raises:
            SettingsError: It has another suffix than a picture's, its folder is missing, or it is
                one of the reserved files.
        """
        problem = None
        if path.suffix.lower() not in WRITABLE_PICTURE_SUFFIXES:
            problem = f"the picture is written as {', '.join(WRITABLE_PICTURE_SUFFIXES)}"
        elif not path.absolute().parent.is_dir():
            problem = "the folder does not exist; make it first"
        elif any(path.absolute() == reserved.absolute() for reserved in reserved_paths):
            problem = "this is another file of the render"
        if problem:
            raise SettingsError(f"{named('watch')} {path}: {problem}", setting="watch", value=path)
        self.path = path
        self._latest: Frame | None = None
        self._next_write_s = 0.0

    def update(self, frame: Frame) -> None:
        """Take a frame, and write it unless another one was written a short while ago."""
        self._latest = frame
        if time.monotonic() >= self._next_write_s:
            self.flush()

    def flush(self) -> None:
        """Write the latest frame if it was not written yet; warns where that fails."""
        if self._latest is None:
            return
        started_s = time.monotonic()
        try:
            write_picture(self.path, self._latest.picture)
        except OutputError as error:
            warnings.warn(f"{named('watch')}: {error.message}", DreamFlowWarning, 2)
        self._latest = None
        finished_s = time.monotonic()
        self._next_write_s = finished_s + (finished_s - started_s) / MAX_WATCH_TIME_SHARE
