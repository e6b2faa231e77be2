"""A folder of PNGs on its way: a reel whose frames are files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from dreamflow.core.errors import OutputError
from dreamflow.core.frames import Frame
from dreamflow.media.atomic_file import make_write_error, sync_to_disk
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.stills import write_picture
from dreamflow.media.write.metadata import format_record_comment, write_sidecar


def frame_file_name(number: int) -> str:
    """Return the name of a frame in a folder of PNGs."""
    return f"frame_{number:06d}.png"


class PictureSegmentWriter:
    """The frames of a folder of PNGs: `frames/frame_000000.png` and on."""

    def __init__(self, folder: Path, record: dict[str, Any]) -> None:
        self.frames = 0
        self.pictures_folder = folder / "frames"
        self._comment = format_record_comment(record) if record else ""
        self._synced_frames = 0

    def picture_path(self, number: int) -> Path:
        """Return the file of a frame, from 0."""
        return self.pictures_folder / frame_file_name(number)

    @property
    def can_flush(self) -> bool:
        """Never: each picture is whole when it is written."""
        return False

    def write(self, frame: Frame) -> None:
        """Add a frame, uint8 (H, W, 3). Raises OutputError."""
        self.pictures_folder.mkdir(exist_ok=True)
        write_picture(self.picture_path(self.frames), frame.picture, self._comment)
        self.frames += 1

    def flush(self) -> None:
        """Bring all pictures onto the disk."""
        for number in range(self._synced_frames, self.frames):
            sync_to_disk(self.picture_path(number))
        if self.frames > self._synced_frames:
            sync_to_disk(self.pictures_folder)
        self._synced_frames = self.frames

    def prune(self, frames: int) -> None:
        """Drop nothing: pictures are all that there is."""

    def resume(self, frames: int) -> None:
        """Take up the work behind so many frames. Raises OutputError where some are missing."""
        there = self.count()
        if there < frames:
            raise OutputError(
                f"{self.pictures_folder} is damaged: frames from {there} on are missing; give --fresh to "
                "start over"
            )
        kept = {self.picture_path(number) for number in range(frames)}
        for path in set(self.pictures_folder.glob("*")) - kept:
            path.unlink()
        self.frames = self._synced_frames = frames

    def close(self) -> None:
        """Do nothing: nothing is under way."""

    def count(self) -> int:
        """Return how many pictures there are, without a gap."""
        number = 0
        while self.picture_path(number).exists():
            number += 1
        return number

    def warn_of_changes(self) -> None:
        """Say nothing: PNGs hold frames as they are."""

    def write_output(self, part: Path, outline: OutputSpec, record: dict[str, Any]) -> None:
        """Make a folder of the pictures, with the settings in it. Raises OutputError."""
        shutil.rmtree(part, ignore_errors=True)
        try:
            shutil.copytree(self.pictures_folder, part, copy_function=_link_or_copy)
        except OSError as error:
            raise make_write_error(part, error) from error
        if record:
            write_sidecar(part, record)


def _link_or_copy(source: str, target: str) -> None:
    """Give a file a second name where the disk can do that, else copy it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
