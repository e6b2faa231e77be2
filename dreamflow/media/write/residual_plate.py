"""The plate: what the dream changed, as a film of its own, for compositors.

A plate is mid-grey where nothing changed: plate = 128 + dream - source, in 8-bit code values of
BT.709 R'G'B', channel by channel, clipped to 0 to 255. So source + plate - 128 is the dream again,
exactly where it differs by no more than 127 levels: "grain merge" in ffmpeg, GIMP and Krita.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dreamflow.core.errors import SettingsError
from dreamflow.core.frames import Frame
from dreamflow.media.options import EncodeOptions
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.write.containers import ContainerFormat, container_format_for
from dreamflow.media.write.output_path import staged_output_path
from dreamflow.media.write.segments import SegmentWriter

PLATE_MID_GREY = 128


def make_plate(dream: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Return the plate of a dream and its source, all uint8 (H, W, 3) RGB."""
    plate = dream.astype(np.int16) - source + PLATE_MID_GREY
    return plate.clip(0, 255).astype(np.uint8)


def plate_format(path: Path) -> tuple[ContainerFormat | None, EncodeOptions]:
    """Return how a plate is written: without loss, but in .mov, which is ProRes 4444.

    Raises OutputError for an unknown suffix, SettingsError for one that loses too much.
    """
    kind = container_format_for(path)
    if kind is None:
        return None, EncodeOptions()
    if kind.suffix == ".gif":
        raise SettingsError("--plate cannot be a .gif, which has 256 colours; use .mov or .mkv")
    if kind.suffix == ".mov":
        return kind, EncodeOptions(codec="prores", quality="master")
    codec = "ffv1" if kind.suffix == ".mkv" else "auto"
    return kind, EncodeOptions(codec=codec, lossless=True)


class DreamAndPlateWriter:
    """The frames of a dream and, in a folder within its own, those of its plate."""

    def __init__(
        self, dream: SegmentWriter, folder: Path, target: Path, make: Callable[..., SegmentWriter]
    ) -> None:
        """Take a dream's reel. make: returns the reel of a format in a folder."""
        kind, encode = plate_format(target)
        self.frames = 0
        self.plate_target = target
        self.staged_plate = staged_output_path(folder, target)
        self._plate_folder, self._dream_writer = folder, dream
        self._plate_writer: SegmentWriter = make(folder, kind, encode)

    @property
    def can_flush(self) -> bool:
        """Whether there is something that `seal` would do now."""
        return self._dream_writer.can_flush or self._plate_writer.can_flush

    def write(self, frame: Frame) -> None:
        """Add a frame and its plate. Raises OutputError."""
        source = frame.picture if frame.source is None else frame.source
        self._plate_folder.mkdir(exist_ok=True)
        # First, so that the dream never has a frame whose plate is missing.
        self._plate_writer.write(replace(frame, picture=make_plate(frame.picture, source)))
        self._dream_writer.write(frame)
        self.frames = self._dream_writer.frames

    def flush(self) -> None:
        """Bring all frames onto the disk for good. Raises OutputError."""
        try:
            self._plate_writer.flush()
        finally:
            self._dream_writer.flush()

    def prune(self, frames: int) -> None:
        """Drop what is needed only to go on from an earlier frame than behind so many."""
        self._plate_writer.prune(frames)
        self._dream_writer.prune(frames)

    def resume(self, frames: int) -> None:
        """Take up the work behind so many frames. Raises OutputError where some are missing."""
        self._plate_writer.resume(frames)
        self._dream_writer.resume(frames)
        self.frames = self._dream_writer.frames

    def close(self) -> None:
        """Break off what is under way."""
        self._plate_writer.close()
        self._dream_writer.close()

    def count(self) -> int:
        """Return how many frames there are with their plate."""
        return min(self._dream_writer.count(), self._plate_writer.count())

    def warn_of_changes(self) -> None:
        """Warn of what of the frames the dream cannot show as it is."""
        self._dream_writer.warn_of_changes()

    def write_output(self, part: Path, outline: OutputSpec, record: dict[str, Any]) -> None:
        """Make the dream under a name in the folder, and the plate as `part`, without sound."""
        self._dream_writer.write_output(part, outline, record)
        self._plate_writer.write_output(
            self.staged_plate, replace(outline, sound=None, chapters=()), record
        )
