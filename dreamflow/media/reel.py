"""The frames of an output on their way: kept on the disk so that none that was kept is lost.

A film is kept in chunks of so many frames, each encoded by itself, so that they are joined without
being encoded again; which frame is in which chunk depends on nothing but its number, and so a
film's chunks are the same however often its render was broken off. The frames of the chunk under
way lie beside them as they are, in a file of raw records, and so do those of the full one before
it, which is encoded in a thread while they come.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from dreamflow.errors import DreamFlowWarning, OutputError
from dreamflow.frames import Frame
from dreamflow.media import ffmpeg
from dreamflow.media.assemble import assemble
from dreamflow.media.formats import Format
from dreamflow.media.outline import Outline
from dreamflow.media.whole import cannot_write, on_disk, whole
from dreamflow.options import EncodeOptions
from dreamflow.stages import WAITING, stage

CHUNK_FRAMES = 240
"""Each chunk begins with a keyframe, which shows as a slight pulse where little moves: on a swept
still the mean change there was 2.9 levels instead of 1.5. So they come as rarely as encoders place
them by themselves."""
FEWEST_FRAMES = 12
PENDING_BYTES = 512 * 2**20
"""Of raw frames, at most, of a chunk, 86 of 1920x1080; those of two lie beside the chunks."""
STAMP_BYTES = 8
"""Before each raw frame: its time, int64, in units of ffmpeg.CLOCK."""
GIF_FASTEST = 50
"""Frames a second: browsers show a GIF's frame for two hundredths of a second at least."""


class Reel(Protocol):
    """Frames of an output, kept in a folder. `frames` is how many there are."""

    frames: int

    @property
    def ripe(self) -> bool:
        """Whether there is something that `seal` would do now."""
        ...

    def write(self, frame: Frame) -> None:
        """Add a frame. Raises OutputError; then the frames before it are as they were."""
        ...

    def seal(self) -> None:
        """Bring all frames onto the disk for good. Raises OutputError; nothing is lost then."""
        ...

    def forget(self, frames: int) -> None:
        """Drop what is needed only to go on from an earlier frame than behind so many."""
        ...

    def go_on(self, frames: int) -> None:
        """Take up the work behind so many frames. Raises OutputError where some are missing."""
        ...

    def close(self) -> None:
        """Do no more: what is under way is broken off, and can be taken up by another reel."""
        ...

    def found(self) -> int:
        """Return how many frames the folder holds, whoever wrote them."""
        ...

    def warn(self) -> None:
        """Warn of what of the frames the output cannot show as it is."""
        ...

    def output(self, part: Path, outline: Outline, record: dict[str, Any]) -> None:
        """Make the output of all frames under a name in the folder. Raises OutputError."""
        ...


def chunk_frames(outline: Outline) -> int:
    """Return how many frames a chunk has: 240, or fewer where the frames are large."""
    room = PENDING_BYTES // (3 * outline.width * outline.height)
    return min(CHUNK_FRAMES, max(FEWEST_FRAMES, room))


class FilmReel:
    """The frames of a film: chunks, and the raw frames of the one under way."""

    def __init__(
        self, folder: Path, kind: Format, outline: Outline, encode: EncodeOptions, chunk: int
    ) -> None:
        """Take an empty folder, or that of a film on its way. chunk: frames of each."""
        self.frames = 0
        self.folder, self.chunk = folder, chunk
        self._kind, self._outline = kind, outline
        self._shape = (outline.height, outline.width, 3)
        self._record = STAMP_BYTES + int(np.prod(self._shape))
        self._padding = ((0, outline.height % 2), (0, outline.width % 2), (0, 0))
        self._encode_as, self._recipe = encode, kind.recipe(encode)
        self._padded = self._recipe.even and bool(outline.height % 2 or outline.width % 2)
        self._sealed = self._forgotten = 0
        """Chunks that are encoded, and those whose raw frames are dropped."""
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="encode")
        self._encoding: Future[None] | None = None
        self._broken_off = False

    def warn(self) -> None:
        """Say what of the frames the film cannot show as it is."""
        outline = self._outline
        if self._padded:
            height, width = (side + side % 2 for side in self._shape[:2])
            warnings.warn(
                f"{self._recipe.codec} films need even sides: the last row or column is repeated, "
                f"{outline.width}x{outline.height} becomes {width}x{height}",
                DreamFlowWarning,
                2,
            )
        if self._kind.suffix == ".gif" and outline.rate > GIF_FASTEST:
            warnings.warn(
                f"a GIF shows at most {GIF_FASTEST} frames a second: this one will run slow; "
                "give --fps 25",
                DreamFlowWarning,
                2,
            )

    def chunk_path(self, number: int) -> Path:
        """Return the file of a chunk, from 0."""
        return self.folder / f"chunk_{number:06d}{self._recipe.chunk}"

    def pending_path(self, number: int) -> Path:
        """Return the file of the raw frames of a chunk, from 0."""
        return self.folder / f"pending_{number:06d}.rgb"

    @property
    def chunks(self) -> list[Path]:
        """The chunks that hold all frames, once they are sealed."""
        return [self.chunk_path(number) for number in range(-(-self.frames // self.chunk))]

    @property
    def ripe(self) -> bool:
        """Whether there is a full chunk that is not being encoded."""
        return self._sealed + bool(self._encoding) < self.frames // self.chunk

    def write(self, frame: Frame) -> None:
        """Add a frame, uint8 (H, W, 3). Raises OutputError."""
        if frame.picture.shape != self._shape or frame.picture.dtype != np.uint8:
            raise OutputError(
                f"a frame is {frame.picture.dtype} {frame.picture.shape}, but this film's are "
                f"uint8 {self._shape}"
            )
        if self.ripe:
            self.seal()
        number, before = divmod(self.frames, self.chunk)
        path = self.pending_path(number)
        stamp = np.int64(round(frame.time / ffmpeg.CLOCK)).tobytes()
        try:
            with path.open("r+b" if path.exists() else "wb", buffering=0) as file:
                file.truncate(before * self._record)
                file.seek(before * self._record)
                for part in (stamp, np.ascontiguousarray(frame.picture).data.cast("B")):
                    left = memoryview(part)
                    while left:  # a disk that fills up takes a part without a word
                        left = left[file.write(left) :]
        except OSError as error:
            raise cannot_write(path, error) from error
        self.frames += 1

    def seal(self) -> None:
        """Bring all frames onto the disk, and begin to encode a chunk that is full.

        Waits for the chunk before it, and raises OutputError where that has failed.
        """
        if self.frames > self.chunk * self._sealed:
            on_disk(self.pending_path((self.frames - 1) // self.chunk))
        if self._encoding and (self.ripe or self._encoding.done()):
            self._encoded()
        if self.ripe:
            self._encoding = self._pool.submit(self._encode, self._sealed, self.chunk)

    def _encoded(self) -> None:
        """Wait for the chunk that is being encoded."""
        if self._encoding:
            encoding, self._encoding = self._encoding, None
            with stage(WAITING):
                encoding.result()
            self._sealed += 1

    def close(self) -> None:
        """Break off what is being encoded: its raw frames are there."""
        self._broken_off = True
        self._pool.shutdown(cancel_futures=True)

    def output(self, part: Path, outline: Outline, record: dict[str, Any]) -> None:
        """Encode the last chunk too, full or not, and make the film. Raises OutputError."""
        self.seal()
        while self._encoding:
            self._encoded()
            self.seal()
        if rest := self.frames % self.chunk:
            self._encode(self.frames // self.chunk, rest)
        assemble(self.chunks, self.frames, part, self._kind, self._encode_as, outline, record)

    def forget(self, frames: int) -> None:
        """Drop the raw frames of chunks that lie before, and are encoded."""
        for number in range(self._forgotten, min(frames // self.chunk, self._sealed)):
            self.pending_path(number).unlink(missing_ok=True)
            self._forgotten = number + 1

    def go_on(self, frames: int) -> None:
        """Take up the work behind so many frames. Raises OutputError where some are missing."""
        full, rest = divmod(frames, self.chunk)
        sealed = next((n for n in range(full) if not self.chunk_path(n).exists()), full)
        # Broken off before the last chunks were encoded: their raw frames are there.
        lost = [n for n in range(sealed, full) if self._raw(n) < self.chunk]
        if lost or self._raw(full) < rest:
            raise OutputError(
                f"{self.folder} is damaged: frames from {self.chunk * (lost or [full])[0]} on are "
                "missing; give --fresh to start over"
            )
        number = full
        while self.chunk_path(number).exists() or number == full:
            self.chunk_path(number).unlink(missing_ok=True)
            number += 1
        self.frames, self._sealed = frames, sealed

    def found(self) -> int:
        """Return how many frames there are in whole chunks, and raw after them."""
        frames = number = 0
        while True:
            # Of a chunk that may be a short one its raw frames tell how many it has.
            whole = self.chunk if self.chunk_path(number).exists() else 0
            there = min(self.chunk, self._raw(number)) or whole
            frames, number = frames + there, number + 1
            if there < self.chunk:
                return frames

    def _raw(self, number: int) -> int:
        path = self.pending_path(number)
        return path.stat().st_size // self._record if path.exists() else 0

    def _pending(self, number: int, count: int) -> Iterator[tuple[int, np.ndarray]]:
        with self.pending_path(number).open("rb") as file:
            for _ in range(count):
                stamp = int(np.frombuffer(file.read(STAMP_BYTES), np.int64)[0])
                picture = np.frombuffer(file.read(self._record - STAMP_BYTES), np.uint8)
                yield stamp, picture.reshape(self._shape)

    def _encode(self, number: int, count: int) -> None:
        """Make a chunk of its raw frames; the time that it starts at is kept in its comment."""
        outline = self._outline
        first = next(self._pending(number, 1))[0]
        start = first * ffmpeg.CLOCK
        if outline.constant_rate:
            start = number * self.chunk / outline.rate
        height, width = self._shape[:2]
        if self._padded:
            height, width = height + height % 2, width + width % 2
        with stage("encode"), whole(self.chunk_path(number)) as part:
            square = outline.pixel_aspect == 1 or not self._kind.codecs
            options = self._recipe.options(None if square else str(outline.pixel_aspect))
            options += ["-metadata", f"comment={start}", str(part.absolute())]
            pipe = ffmpeg.FramePipe(width, height, outline.rate, outline.constant_rate, options)
            try:
                for stamp, picture in self._pending(number, count):
                    if self._broken_off:
                        raise OutputError(f"{part} was not finished")
                    if self._padded:
                        picture = np.pad(picture, self._padding, mode="edge")
                    pipe.write(picture, (stamp - first) * ffmpeg.CLOCK)
                pipe.close()
            except BaseException:
                pipe.kill()
                raise
