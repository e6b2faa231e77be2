"""Files of raw frames: the frames of a segment before it is encoded, each with its time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dreamflow.media.atomic_file import make_write_error, sync_to_disk

RAW_TIMESTAMP_BYTES = 8
"""Bytes before each frame's pixels: its time, int64, in units of ffmpeg.VARIABLE_RATE_TIME_BASE."""


class RawFrameFile:
    """Records of a time stamp and (H, W, 3) uint8 pixels, one after the other.

    Attributes:
        path: The file, which need not exist.
    """

    def __init__(self, path: Path, frame_shape: tuple[int, int, int]) -> None:
        self.path, self._frame_shape = path, frame_shape
        self._record_bytes = RAW_TIMESTAMP_BYTES + int(np.prod(frame_shape))

    def write(self, number: int, timestamp: int, picture: np.ndarray) -> None:
        """Write frame `number`, from 0, of the file, dropping all that lies behind it.

        Raises:
            OutputError: The disk is full, or the file cannot be written.
        """
        stamp = np.int64(timestamp).tobytes()
        try:
            with self.path.open("r+b" if self.path.exists() else "wb", buffering=0) as file:
                file.truncate(number * self._record_bytes)
                file.seek(number * self._record_bytes)
                for part in (stamp, np.ascontiguousarray(picture).data.cast("B")):
                    left = memoryview(part)
                    while left:  # a disk that fills up takes a part without an error
                        left = left[file.write(left) :]
        except OSError as error:
            raise make_write_error(self.path, error) from error

    def read(self, count: int) -> Iterator[tuple[int, np.ndarray]]:
        """Yield (time stamp, picture) of the first `count` frames."""
        with self.path.open("rb") as file:
            for _ in range(count):
                timestamp = int(np.frombuffer(file.read(RAW_TIMESTAMP_BYTES), np.int64)[0])
                pixels = file.read(self._record_bytes - RAW_TIMESTAMP_BYTES)
                yield timestamp, np.frombuffer(pixels, np.uint8).reshape(self._frame_shape)

    def count(self) -> int:
        """Return the number of complete frames; 0 where there is no file."""
        return self.path.stat().st_size // self._record_bytes if self.path.exists() else 0

    def sync(self) -> None:
        """Flush the file to the disk."""
        sync_to_disk(self.path)

    def remove(self) -> None:
        """Delete the file if there is one."""
        self.path.unlink(missing_ok=True)
