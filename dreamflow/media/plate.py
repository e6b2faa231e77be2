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

from dreamflow.errors import SettingsError
from dreamflow.frames import Frame
from dreamflow.media.formats import Format, format_of
from dreamflow.media.outline import Outline
from dreamflow.media.placing import finished_path
from dreamflow.media.reel import Reel
from dreamflow.options import EncodeOptions

GREY = 128


def plate_of(dream: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Return the plate of a dream and its source, all uint8 (H, W, 3) RGB."""
    plate = dream.astype(np.int16) - source + GREY
    return plate.clip(0, 255).astype(np.uint8)


def plate_format(path: Path) -> tuple[Format | None, EncodeOptions]:
    """Return how a plate is written: without loss, but in .mov, which is ProRes 4444.

    Raises OutputError for an unknown suffix, SettingsError for one that loses too much.
    """
    kind = format_of(path)
    if kind is None:
        return None, EncodeOptions()
    if kind.suffix == ".gif":
        raise SettingsError("--plate cannot be a .gif, which has 256 colours; use .mov or .mkv")
    if kind.suffix == ".mov":
        return kind, EncodeOptions(codec="prores", quality="master")
    codec = "ffv1" if kind.suffix == ".mkv" else "auto"
    return kind, EncodeOptions(codec=codec, lossless=True)


class PlatedReel:
    """The frames of a dream and, in a folder within its own, those of its plate."""

    def __init__(self, dream: Reel, folder: Path, target: Path, make: Callable[..., Reel]) -> None:
        """Take a dream's reel. make: returns the reel of a format in a folder."""
        kind, encode = plate_format(target)
        self.frames = 0
        self.target = target
        self.part = finished_path(folder, target)
        self._folder, self._dream = folder, dream
        self._plate: Reel = make(folder, kind, encode)

    @property
    def ripe(self) -> bool:
        """Whether there is something that `seal` would do now."""
        return self._dream.ripe or self._plate.ripe

    def write(self, frame: Frame) -> None:
        """Add a frame and its plate. Raises OutputError."""
        source = frame.picture if frame.source is None else frame.source
        self._folder.mkdir(exist_ok=True)
        # First, so that the dream never has a frame whose plate is missing.
        self._plate.write(replace(frame, picture=plate_of(frame.picture, source)))
        self._dream.write(frame)
        self.frames = self._dream.frames

    def seal(self) -> None:
        """Bring all frames onto the disk for good. Raises OutputError."""
        try:
            self._plate.seal()
        finally:
            self._dream.seal()

    def forget(self, frames: int) -> None:
        """Drop what is needed only to go on from an earlier frame than behind so many."""
        self._plate.forget(frames)
        self._dream.forget(frames)

    def go_on(self, frames: int) -> None:
        """Take up the work behind so many frames. Raises OutputError where some are missing."""
        self._plate.go_on(frames)
        self._dream.go_on(frames)
        self.frames = self._dream.frames

    def close(self) -> None:
        """Break off what is under way."""
        self._plate.close()
        self._dream.close()

    def found(self) -> int:
        """Return how many frames there are with their plate."""
        return min(self._dream.found(), self._plate.found())

    def warn(self) -> None:
        """Warn of what of the frames the dream cannot show as it is."""
        self._dream.warn()

    def output(self, part: Path, outline: Outline, record: dict[str, Any]) -> None:
        """Make the dream under a name in the folder, and the plate as `part`, without sound."""
        self._dream.output(part, outline, record)
        self._plate.output(self.part, replace(outline, sound=None, chapters=()), record)
