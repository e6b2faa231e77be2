"""The residual plate: what the dream changed, as a video of its own, for compositors.

plate = 128 + dream - source, in 8-bit code values of BT.709 R'G'B', for each channel, clipped to 0
to 255; mid-grey where nothing changed. So source + plate - 128 is the dream again, exactly where
the difference is from -128 to 127 levels: "grain merge" in ffmpeg, GIMP and Krita.

A plate of OpenEXR pictures is dream - source in linear light, in float, not clipped: source + plate
is the dream.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dreamflow.core.errors import SettingsError, named
from dreamflow.core.frames import Frame
from dreamflow.media.depth.original import PictureOriginal
from dreamflow.media.depth.read import as_deep_picture
from dreamflow.media.depth.write import EXR_SUFFIX
from dreamflow.media.files.atomic_file import make_write_error
from dreamflow.media.options import EncodeOptions
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.write.containers import ContainerFormat, container_format_for
from dreamflow.media.write.segments.piece_ledger import Damage, DamagedPiecesError
from dreamflow.media.write.segments.segment_writer import SegmentWriter

PLATE_MID_GREY = 128
"""Level of a plate where the dream equals the source."""


def make_plate(dream: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Return the plate of a dream and its source, all (H, W, 3) uint8 RGB."""
    plate = dream.astype(np.int16) - source + PLATE_MID_GREY
    return plate.clip(0, 255).astype(np.uint8)


def make_plate_frame(frame: Frame) -> Frame:
    """Return the plate of a dreamed frame; a frame without source is its own."""
    source = frame.picture if frame.source is None else frame.source
    plate = make_plate(frame.picture, source)
    return replace(frame, picture=plate, original=None, finished=None)


def make_float_plate_frame(frame: Frame) -> Frame:
    """Return the plate of a dreamed frame as linear light, with the source's primaries."""
    dream = frame.original
    source = frame.picture if frame.source is None else frame.source
    if not isinstance(dream, PictureOriginal):
        dream = as_deep_picture(frame.picture).original
        dream = replace(dream, before=as_deep_picture(source).original)
    before = dream.source.as_linear(np.float32)
    linear = replace(dream, before=None).as_linear(np.float32)
    added = replace(linear, before=before).measure_dream()
    plate = replace(before, pixels=added, alpha=None, before=None, wanted_layers=())
    picture = make_plate(frame.picture, source)
    return replace(frame, picture=picture, original=plate, finished=None)


def plate_format(path: Path) -> tuple[ContainerFormat | None, EncodeOptions]:
    """Return how a plate is written: without loss, but as ProRes 4444 in .mov.

    Args:
        path: The plate; without suffix, a folder of PNGs, whose format is None.

    Raises:
        OutputError: The suffix is unknown.
        SettingsError: The format loses too much.
    """
    container_format = container_format_for(path)
    if container_format is None:
        return None, EncodeOptions()
    if container_format.suffix == ".gif":
        raise SettingsError(
            f"{named('plate')} cannot be a .gif, which has 256 colours; use .mov or .mkv",
            setting="plate",
            value=str(path),
            allowed=".mov, .mkv, .mp4, .webm, .webp or a folder",
        )
    if container_format.suffix == ".mov":
        return container_format, EncodeOptions(codec="prores", quality="master")
    codec = "ffv1" if container_format.suffix == ".mkv" else "auto"
    return container_format, EncodeOptions(codec=codec, lossless=True)


class DreamAndPlateWriter:
    """Keeps the frames of a dream and, in a folder within its own, those of its plate.

    Attributes:
        frames: Number of frames written.
        plate_target: Where the plate is published.
        staged_plate: File of the finished plate before it is published.
    """

    def __init__(
        self,
        dream: SegmentWriter,
        folder: Path,
        target: Path,
        make: Callable[[Path, ContainerFormat | None, EncodeOptions], SegmentWriter],
        staged_plate: Path,
    ) -> None:
        """Add a plate to a dream's writer.

        Args:
            dream: Writer of the dream's frames.
            folder: Folder of the plate's frames.
            target: Where the plate is published; its suffix says the format.
            make: Makes a writer of a format in a folder.
            staged_plate: File of the finished plate before it is published.
        """
        container_format, encode = plate_format(target)
        self.frames = 0
        self.plate_target, self.staged_plate = target, staged_plate
        self._plate_folder, self._dream_writer = folder, dream
        is_float = target.suffix.lower() == EXR_SUFFIX
        self._make_frame = make_float_plate_frame if is_float else make_plate_frame
        self._plate_writer = make(folder, container_format, encode)

    @property
    def can_flush(self) -> bool:
        """Whether `flush` would begin to encode a segment."""
        return self._dream_writer.can_flush or self._plate_writer.can_flush

    def write(self, frame: Frame) -> None:
        """Add a frame and its plate; a frame without source is its own.

        Raises:
            OutputError: One of them cannot be written.
        """
        try:
            self._plate_folder.mkdir(exist_ok=True)
        except OSError as error:
            raise make_write_error(self._plate_folder, error) from error
        # The plate first, so that no frame of the dream is without one.
        self._plate_writer.write(self._make_frame(frame))
        self._dream_writer.write(frame)
        self.frames = self._dream_writer.frames

    def flush(self) -> None:
        """Bring all frames onto the disk.

        Raises:
            OutputError: Encoding a segment failed.
        """
        try:
            self._plate_writer.flush()
        finally:
            self._dream_writer.flush()

    def prune(self, frames: int) -> None:
        """Delete raw frames that are needed only to resume before frame number `frames`."""
        self._plate_writer.prune(frames)
        self._dream_writer.prune(frames)

    def find_damages(self, frames: int) -> list[Damage]:
        """Return the pieces of both that are not what was written."""
        return [
            *self._dream_writer.find_damages(frames),
            *self._plate_writer.find_damages(frames),
        ]

    def rewrite(self, first: int, frames: Sequence[Frame]) -> None:
        """Replace frames from number `first` on, and their plates. Raises OutputError."""
        self._plate_writer.rewrite(first, [self._make_frame(frame) for frame in frames])
        self._dream_writer.rewrite(first, frames)

    def resume(self, frames: int, keep_rest: bool = False) -> None:
        """Go on after the first `frames` frames; later ones are deleted, or else left alone.

        Raises:
            DamagedPiecesError: Some of them are missing, or are not what was written.
        """
        if damages := self.find_damages(frames):
            raise DamagedPiecesError(self._plate_folder.parent, damages, frames)
        self._plate_writer.resume(frames, keep_rest)
        self._dream_writer.resume(frames, keep_rest)
        self.frames = self._dream_writer.frames

    def close(self) -> None:
        """Stop encoding."""
        self._plate_writer.close()
        self._dream_writer.close()

    def count(self) -> int:
        """Return the number of frames that have their plate."""
        return min(self._dream_writer.count(), self._plate_writer.count())

    def warn_of_changes(self) -> None:
        """Warn of what the dream's output changes in the frames."""
        self._dream_writer.warn_of_changes()

    def write_output(self, part: Path, output_spec: OutputSpec, record: dict[str, Any]) -> None:
        """Make the dream as `part`, and the plate as `staged_plate`, without sound.

        Raises:
            OutputError: One of them cannot be written.
        """
        self._dream_writer.write_output(part, output_spec, record)
        self._plate_writer.write_output(
            self.staged_plate,
            replace(output_spec, sound=None, chapters=(), extras=None, samples=None),
            record,
        )
