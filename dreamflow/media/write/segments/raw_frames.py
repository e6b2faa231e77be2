"""Files of raw frames: those of a segment before it is encoded, each with its time and hash."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from dreamflow.core.errors import OutputError
from dreamflow.media.files.atomic_file import make_write_error, sync_to_disk
from dreamflow.media.write.segments.piece_ledger import (
    RECORD_HASH_BYTES,
    Damage,
    DamagedPiecesError,
    PieceLedger,
)

RAW_TIMESTAMP_BYTES = 8
"""Bytes of a frame's time, int64, in units of ffmpeg.VARIABLE_RATE_TIME_BASE."""
RAW_HEADER_BYTES = RECORD_HASH_BYTES + RAW_TIMESTAMP_BYTES
"""Bytes before each frame's pixels: the hash of its time and pixels, and its time."""


class RawFrameFile:
    """Records of a hash, a time stamp and a frame's samples, uint8, one after the other.

    Attributes:
        path: The file, which need not exist.
    """

    def __init__(
        self, path: Path, frame_shape: tuple[int, ...], ledger: PieceLedger, first_frame: int
    ) -> None:
        """Take what the file is.

        Args:
            path: The file.
            frame_shape: (H, W, 3) of RGB, (bytes,) of other samples.
            ledger: Seals the frames.
            first_frame: Number in the output of the file's first frame.
        """
        self.path, self._frame_shape = path, frame_shape
        self._ledger, self._first_frame = ledger, first_frame
        self._record_bytes = RAW_HEADER_BYTES + int(np.prod(frame_shape))

    def write(self, number: int, timestamp: int, picture: np.ndarray) -> None:
        """Write frame `number`, from 0, of the file, dropping all that lies behind it.

        Raises:
            OutputError: The disk is full, or the file cannot be written.
        """
        stamp = np.int64(timestamp).tobytes()
        pixels = np.ascontiguousarray(picture).data.cast("B")
        seal = self._ledger.seal_frame(self._first_frame + number, stamp, pixels)
        try:
            with self.path.open("r+b" if self.path.exists() else "wb", buffering=0) as file:
                file.truncate(number * self._record_bytes)
                file.seek(number * self._record_bytes)
                for part in (seal + stamp, pixels):
                    left = memoryview(part)
                    while left:  # a disk that fills up takes a part without an error
                        left = left[file.write(left) :]
        except OSError as error:
            raise make_write_error(self.path, error) from error

    def read(self, count: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (time stamp, picture) of the first `count` frames.

        Raises:
            DamagedPiecesError: A frame is missing, or is not what was written.
            OutputError: The file cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                for number in range(count):
                    header = file.read(RAW_HEADER_BYTES)
                    pixels = file.read(self._record_bytes - RAW_HEADER_BYTES)
                    seal, stamp = header[:RECORD_HASH_BYTES], header[RECORD_HASH_BYTES:]
                    place = self._first_frame + number
                    if seal != self._ledger.seal_frame(place, stamp, pixels):
                        stop = self._first_frame + count
                        damage = Damage(self.path, "is not what was written", place, stop)
                        raise DamagedPiecesError(self.path.parent, [damage], stop)
                    timestamp = int(np.frombuffer(stamp, np.int64)[0])
                    yield timestamp, np.frombuffer(pixels, np.uint8).reshape(self._frame_shape)
        except OSError as error:
            raise OutputError(
                f"{self.path} cannot be read: {error.strerror or error}", where=str(self.path)
            ) from error

    def find_damage(self, count: int) -> Damage | None:
        """Return from which of the first `count` frames on the file is damaged, or None."""
        available, stop = self.count(), self._first_frame + count
        try:
            for _ in self.read(min(available, count)):
                pass
        except DamagedPiecesError as error:
            return replace(error.damages[0], stop=stop)
        except OutputError:
            return Damage(self.path, "cannot be read", self._first_frame, stop)
        if available >= count:
            return None
        problem = f"has {available} frames, not {count}" if available else "is missing"
        return Damage(self.path, problem, self._first_frame + available, stop)

    def count(self) -> int:
        """Return the number of complete frames; 0 where there is no file."""
        return self.path.stat().st_size // self._record_bytes if self.path.is_file() else 0

    def sync(self) -> None:
        """Flush the file to the disk."""
        sync_to_disk(self.path)

    def remove(self) -> None:
        """Delete the file if there is one."""
        self.path.unlink(missing_ok=True)
