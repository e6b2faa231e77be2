"""How the frames of a shard are kept until they are joined: without loss, and sealed by hashes.

The 8-bit picture of each frame is in a film of FFV1. A shard of an output in depth has its frames a
second time, as the output is going to hold them: as picture files, or as a film's samples in FFV1.
The join passes those on as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from dreamflow.core.errors import OutputError
from dreamflow.core.frames import FinishedFrame, Frame
from dreamflow.media.files.atomic_file import make_write_error
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.sample_format import SampleFormat
from dreamflow.media.write.segments.film_segments import VideoSegmentWriter
from dreamflow.media.write.segments.lossless_segments import (
    read_lossless_samples,
    read_lossless_segments,
)
from dreamflow.media.write.segments.picture_segments import PictureSegmentWriter
from dreamflow.media.write.segments.piece_ledger import LEDGER_FILE, Damage

DEPTH_FOLDER = "depth"
"""Folder, in that of a shard, of its frames in depth."""

KeptFrame = tuple[np.ndarray, FinishedFrame | None]
"""(uint8 (H, W, 3) RGB picture, the same frame as an output in depth holds it)."""
PieceWriter = VideoSegmentWriter | PictureSegmentWriter


class KeptFrames:
    """Writes and reads the frames of a shard; a `SegmentWriter`.

    Attributes:
        folder: The shard's folder.
        frames: Number of frames written.
    """

    def __init__(
        self, folder: Path, pictures: VideoSegmentWriter, deep: PieceWriter | None = None
    ) -> None:
        """Take the writers of its frames.

        Args:
            folder: The shard's folder.
            pictures: Writes the 8-bit pictures, in that folder.
            deep: Writes the frames in depth, in `DEPTH_FOLDER`; None where the output has 8 bits.
        """
        self.folder, self.frames = folder, 0
        self._pictures, self._deep = pictures, deep
        # Those in depth come first, so that no picture is without one.
        self._writers: list[PieceWriter] = [*([] if deep is None else [deep]), pictures]

    @property
    def can_flush(self) -> bool:
        """Whether `flush` would begin to encode a segment."""
        return any(writer.can_flush for writer in self._writers)

    def write(self, frame: Frame) -> None:
        """Add a frame. Raises OutputError; the frames before it stay."""
        if self._deep is not None:
            depth_folder = self.folder / DEPTH_FOLDER
            try:
                depth_folder.mkdir(exist_ok=True)
            except OSError as error:
                raise make_write_error(depth_folder, error) from error
        for writer in self._writers:
            writer.write(frame)
        self.frames = self._pictures.frames

    def flush(self) -> None:
        """Bring all frames onto the disk. Raises OutputError; no frame is lost."""
        for writer in self._writers:
            writer.flush()

    def prune(self, frames: int) -> None:
        """Delete raw frames that are needed only to resume before frame number `frames`."""
        for writer in self._writers:
            writer.prune(frames)

    def resume(self, frames: int, keep_rest: bool = False) -> None:
        """Go on after the first `frames` frames; later ones are deleted, or else left alone.

        Raises:
            DamagedPiecesError: Some of them are missing, or are not what was written.
        """
        for writer in self._writers:
            writer.resume(frames, keep_rest)
        self.frames = frames

    def encode_rest(self) -> None:
        """Encode all that is left, and check every segment.

        Raises:
            DamagedPiecesError: A segment is not what was written.
            OutputError: Encoding failed.
        """
        for writer in self._writers:
            writer.flush()
            if isinstance(writer, VideoSegmentWriter):
                writer.encode_rest()

    def find_damages(self, frames: int) -> list[Damage]:
        """Return the pieces of the first `frames` frames that are not what was written."""
        return [damage for writer in self._writers for damage in writer.find_damages(frames)]

    def is_complete(self, frames: int) -> bool:
        """Return whether so many frames are there, all encoded, and are what was written."""
        return not any(
            writer.files.find_unencoded(frames)
            if isinstance(writer, VideoSegmentWriter)
            else writer.find_damages(frames)
            for writer in self._writers
        )

    def count(self) -> int:
        """Return the number of frames in the folder, whoever wrote them."""
        return min(writer.count() for writer in self._writers)

    def list_pieces(self, frames: int) -> list[Path]:
        """Return the files that hold so many frames, once all are encoded."""
        return [piece for writer in self._writers for piece in _list_pieces(writer, frames)]

    def list_ledgers(self) -> list[Path]:
        """Return the files that hold the hashes of the pieces."""
        folders = [self.folder, *([] if self._deep is None else [self.folder / DEPTH_FOLDER])]
        return [folder / LEDGER_FILE for folder in folders]

    def read(self, frames: int, samples: SampleFormat | None) -> Iterator[KeptFrame]:
        """Yield the frames of a shard that is complete.

        Args:
            frames: How many there are.
            samples: What the frames of a film in depth are made of.

        Raises:
            OutputError: They cannot be read.
        """
        finished: Iterator[FinishedFrame | None] = repeat(None)
        if isinstance(self._deep, PictureSegmentWriter):
            finished = (FinishedFrame(self._deep.picture_path(n)) for n in range(frames))
        elif self._deep is not None:
            assert samples is not None
            paths = self._deep.files.list_segment_paths(frames)
            deep = read_lossless_samples(paths, frames, samples)
            finished = (FinishedFrame(samples=one) for one in deep)
        paths = self._pictures.files.list_segment_paths(frames)
        # The pictures first: they are what ends, and says so where there are too few.
        return zip(read_lossless_segments(paths, frames), finished, strict=False)

    def close(self) -> None:
        """Stop encoding; another writer can resume."""
        for writer in self._writers:
            writer.close()

    def rewrite(self, first: int, frames: Sequence[Frame]) -> None:
        """Replace frames from number `first` on. Raises OutputError."""
        for writer in self._writers:
            writer.rewrite(first, frames)

    def warn_of_changes(self) -> None:
        """Warn of nothing: all of the frames is kept."""

    def write_output(self, part: Path, output_spec: OutputSpec, record: dict[str, Any]) -> None:
        """Raise OutputError: a shard is no output by itself."""
        raise OutputError(f"{self.folder} is a shard: it is joined with the others")


def _list_pieces(writer: PieceWriter, frames: int) -> list[Path]:
    if isinstance(writer, VideoSegmentWriter):
        return writer.files.list_segment_paths(frames)
    return [writer.picture_path(number) for number in range(frames)]
