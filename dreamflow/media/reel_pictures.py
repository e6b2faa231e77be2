"""A folder of PNGs on its way: a reel whose frames are files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from dreamflow.errors import OutputError
from dreamflow.frames import Frame
from dreamflow.media.metadata import as_comment, write_sidecar
from dreamflow.media.outline import Outline
from dreamflow.media.stills import write_picture
from dreamflow.media.whole import cannot_write, on_disk


def frame_name(number: int) -> str:
    """Return the name of a frame in a folder of PNGs."""
    return f"frame_{number:06d}.png"


class PicturesReel:
    """The frames of a folder of PNGs: `frames/frame_000000.png` and on."""

    def __init__(self, folder: Path, record: dict[str, Any]) -> None:
        self.frames = 0
        self.pictures = folder / "frames"
        self._comment = as_comment(record) if record else ""
        self._sealed = 0

    def picture_path(self, number: int) -> Path:
        """Return the file of a frame, from 0."""
        return self.pictures / frame_name(number)

    @property
    def ripe(self) -> bool:
        """Never: each picture is whole when it is written."""
        return False

    def write(self, frame: Frame) -> None:
        """Add a frame, uint8 (H, W, 3). Raises OutputError."""
        self.pictures.mkdir(exist_ok=True)
        write_picture(self.picture_path(self.frames), frame.picture, self._comment)
        self.frames += 1

    def seal(self) -> None:
        """Bring all pictures onto the disk."""
        for number in range(self._sealed, self.frames):
            on_disk(self.picture_path(number))
        if self.frames > self._sealed:
            on_disk(self.pictures)
        self._sealed = self.frames

    def forget(self, frames: int) -> None:
        """Drop nothing: pictures are all that there is."""

    def go_on(self, frames: int) -> None:
        """Take up the work behind so many frames. Raises OutputError where some are missing."""
        there = self.found()
        if there < frames:
            raise OutputError(
                f"{self.pictures} is damaged: frames from {there} on are missing; give --fresh to "
                "start over"
            )
        kept = {self.picture_path(number) for number in range(frames)}
        for path in set(self.pictures.glob("*")) - kept:
            path.unlink()
        self.frames = self._sealed = frames

    def close(self) -> None:
        """Do nothing: nothing is under way."""

    def found(self) -> int:
        """Return how many pictures there are, without a gap."""
        number = 0
        while self.picture_path(number).exists():
            number += 1
        return number

    def warn(self) -> None:
        """Say nothing: PNGs hold frames as they are."""

    def output(self, part: Path, outline: Outline, record: dict[str, Any]) -> None:
        """Make a folder of the pictures, with the settings in it. Raises OutputError."""
        shutil.rmtree(part, ignore_errors=True)
        try:
            shutil.copytree(self.pictures, part, copy_function=_linked)
        except OSError as error:
            raise cannot_write(part, error) from error
        if record:
            write_sidecar(part, record)


def _linked(source: str, target: str) -> None:
    """Give a file a second name where the disk can do that, else copy it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
