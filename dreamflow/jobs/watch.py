"""The latest frame of a render, in a picture file that a viewer can keep open."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Iterable
from pathlib import Path

from dreamflow._version import __version__
from dreamflow.core.errors import OutputError, SettingsError, StorageWarning, named
from dreamflow.core.frames import Frame
from dreamflow.media.records.embedded_settings import (
    RECORD_VERSION_KEY,
    format_record_comment,
    read_record_if_any,
)
from dreamflow.media.stills.write import WRITABLE_PICTURE_SUFFIXES, write_picture
from dreamflow.media.write.output_path import find_same_file

WATCH_RECORD = {RECORD_VERSION_KEY: __version__, "command": "watch"}
"""What is embedded in the picture: it tells it from pictures that must not be replaced."""
MAX_WATCH_TIME_SHARE = 0.05
"""Largest share of a render's time that goes into writing the latest frame."""


def _is_watch_file(path: Path) -> bool:
    """Return whether a picture is one that an earlier render kept up to date, or an empty file."""
    try:
        is_empty = path.is_file() and path.stat().st_size == 0
        return is_empty or read_record_if_any(path).get("command") == WATCH_RECORD["command"]
    except OSError:
        return False


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
            SettingsError: It has another suffix than a picture's, its folder is missing, it is
                one of the reserved files, or a picture that no render kept up to date.
        """
        problem = None
        if path.suffix.lower() not in WRITABLE_PICTURE_SUFFIXES:
            problem = f"the picture is written as {', '.join(WRITABLE_PICTURE_SUFFIXES)}"
        elif not path.absolute().parent.is_dir():
            problem = "the folder does not exist; make it first"
        elif find_same_file(path, reserved_paths) is not None:
            problem = "this is another file of the render"
        elif os.path.lexists(path) and not _is_watch_file(path):
            problem = "it exists already, and is no picture that was watched; give another name"
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
            write_picture(self.path, self._latest.picture, format_record_comment(WATCH_RECORD))
        except OutputError as error:
            warnings.warn(f"{named('watch')}: {error.message}", StorageWarning, 2)
        self._latest = None
        finished_s = time.monotonic()
        self._next_write_s = finished_s + (finished_s - started_s) / MAX_WATCH_TIME_SHARE
