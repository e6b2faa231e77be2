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

from dreamflow.core.errors import DreamFlowWarning, OutputError
from dreamflow.core.frames import Frame
from dreamflow.core.timing import IGNORED_STAGE_TIMES, WAITING_STAGE, StageTimes
from dreamflow.media.atomic_file import atomic_write, make_write_error, sync_to_disk
from dreamflow.media.options import EncodeOptions
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.write import ffmpeg
from dreamflow.media.write.assemble import assemble_output
from dreamflow.media.write.containers import ContainerFormat

MAX_SEGMENT_FRAMES = 240
"""Each chunk begins with a keyframe, which shows as a slight pulse where little moves: on a swept
still the mean change there was 2.9 levels instead of 1.5. So they come as rarely as encoders place
them by themselves."""
MIN_SEGMENT_FRAMES = 12
MAX_RAW_SEGMENT_BYTES = 512 * 2**20
"""Of raw frames, at most, of a chunk, 86 of 1920x1080; those of two lie beside the chunks."""
RAW_TIMESTAMP_BYTES = 8
"""Before each raw frame: its time, int64, in units of ffmpeg.CLOCK."""
GIF_MAX_FPS = 50
"""Frames a second: browsers show a GIF's frame for two hundredths of a second at least."""


class SegmentWriter(Protocol):
    """Frames of an output, kept in a folder. `frames` is how many there are."""

    frames: int

    @property
    def can_flush(self) -> bool:
        """Whether there is something that `seal` would do now."""
        ...

    def write(self, frame: Frame) -> None:
        """Add a frame. Raises OutputError; then the frames before it are as they were."""
        ...

    def flush(self) -> None:
        """Bring all frames onto the disk for good. Raises OutputError; nothing is lost then."""
        ...

    def prune(self, frames: int) -> None:
        """Drop what is needed only to go on from an earlier frame than behind so many."""
        ...

    def resume(self, frames: int) -> None:
        """Take up the work behind so many frames. Raises OutputError where some are missing."""
        ...

    def close(self) -> None:
        """Do no more: what is under way is broken off, and can be taken up by another reel."""
        ...

    def count(self) -> int:
        """Return how many frames the folder holds, whoever wrote them."""
        ...

    def warn_of_changes(self) -> None:
        """Warn of what of the frames the output cannot show as it is."""
        ...

    def write_output(self, part: Path, outline: OutputSpec, record: dict[str, Any]) -> None:
        """Make the output of all frames under a name in the folder. Raises OutputError."""
        ...


def choose_segment_frames(outline: OutputSpec) -> int:
    """Return how many frames a chunk has: 240, or fewer where the frames are large."""
    room = MAX_RAW_SEGMENT_BYTES // (3 * outline.width * outline.height)
    return min(MAX_SEGMENT_FRAMES, max(MIN_SEGMENT_FRAMES, room))


class VideoSegmentWriter:
    """The frames of a film: chunks, and the raw frames of the one under way."""

    def __init__(
        self,
        folder: Path,
        kind: ContainerFormat,
        outline: OutputSpec,
        encode: EncodeOptions,
        segment_frames: int,
        times: StageTimes = IGNORED_STAGE_TIMES,
    ) -> None:
        """Take an empty folder, or that of a film on its way. chunk: frames of each."""
        self.frames = 0
        self._times = times
        self.folder, self.segment_frames = folder, segment_frames
        self._container_format, self._spec = kind, outline
        self._frame_shape = (outline.height, outline.width, 3)
        self._raw_record_bytes = RAW_TIMESTAMP_BYTES + int(np.prod(self._frame_shape))
        self._padding = ((0, outline.height % 2), (0, outline.width % 2), (0, 0))
        self._encode_options, self._video_encoding = encode, kind.video_encoding(encode)
        self._needs_padding = self._video_encoding.needs_even_sides and bool(
            outline.height % 2 or outline.width % 2
        )
        self._encoded_segments = self._pruned_segments = 0
        """Chunks that are encoded, and those whose raw frames are dropped."""
        self._encode_pool = ThreadPoolExecutor(1, thread_name_prefix="encode")
        self._encode_future: Future[None] | None = None
        self._is_cancelled = False

    def warn_of_changes(self) -> None:
        """Say what of the frames the film cannot show as it is."""
        outline = self._spec
        if self._needs_padding:
            height, width = (side + side % 2 for side in self._frame_shape[:2])
            warnings.warn(
                f"{self._video_encoding.codec} films need even sides: the last row or column is repeated, "
                f"{outline.width}x{outline.height} becomes {width}x{height}",
                DreamFlowWarning,
                2,
            )
        if self._container_format.suffix == ".gif" and outline.rate > GIF_MAX_FPS:
            warnings.warn(
                f"a GIF shows at most {GIF_MAX_FPS} frames a second: this one will run slow; "
                "give --fps 25",
                DreamFlowWarning,
                2,
            )

    def segment_path(self, number: int) -> Path:
        """Return the file of a chunk, from 0."""
        return self.folder / f"chunk_{number:06d}{self._video_encoding.segment_suffix}"

    def raw_frames_path(self, number: int) -> Path:
        """Return the file of the raw frames of a chunk, from 0."""
        return self.folder / f"pending_{number:06d}.rgb"

    @property
    def segment_paths(self) -> list[Path]:
        """The chunks that hold all frames, once they are sealed."""
        return [
            self.segment_path(number) for number in range(-(-self.frames // self.segment_frames))
        ]

    @property
    def can_flush(self) -> bool:
        """Whether there is a full chunk that is not being encoded."""
        return (
            self._encoded_segments + bool(self._encode_future) < self.frames // self.segment_frames
        )

    def write(self, frame: Frame) -> None:
        """Add a frame, uint8 (H, W, 3). Raises OutputError."""
        if frame.picture.shape != self._frame_shape or frame.picture.dtype != np.uint8:
            raise OutputError(
                f"a frame is {frame.picture.dtype} {frame.picture.shape}, but this film's are "
                f"uint8 {self._frame_shape}"
            )
        if self.can_flush:
            self.flush()
        number, before = divmod(self.frames, self.segment_frames)
        path = self.raw_frames_path(number)
        stamp = np.int64(round(frame.time / ffmpeg.VARIABLE_RATE_TIME_BASE)).tobytes()
        try:
            with path.open("r+b" if path.exists() else "wb", buffering=0) as file:
                file.truncate(before * self._raw_record_bytes)
                file.seek(before * self._raw_record_bytes)
                for part in (stamp, np.ascontiguousarray(frame.picture).data.cast("B")):
                    left = memoryview(part)
                    while left:  # a disk that fills up takes a part without a word
                        left = left[file.write(left) :]
        except OSError as error:
            raise make_write_error(path, error) from error
        self.frames += 1

    def flush(self) -> None:
        """Bring all frames onto the disk, and begin to encode a chunk that is full.

        Waits for the chunk before it, and raises OutputError where that has failed.
        """
        if self.frames > self.segment_frames * self._encoded_segments:
            sync_to_disk(self.raw_frames_path((self.frames - 1) // self.segment_frames))
        if self._encode_future and (self.can_flush or self._encode_future.done()):
            self._await_encoding()
        if self.can_flush:
            self._encode_future = self._encode_pool.submit(
                self._encode_segment, self._encoded_segments, self.segment_frames
            )

    def _await_encoding(self) -> None:
        """Wait for the chunk that is being encoded."""
        if self._encode_future:
            encoding, self._encode_future = self._encode_future, None
            with self._times.stage(WAITING_STAGE):
                encoding.result()
            self._encoded_segments += 1

    def close(self) -> None:
        """Break off what is being encoded: its raw frames are there."""
        self._is_cancelled = True
        self._encode_pool.shutdown(cancel_futures=True)

    def write_output(self, part: Path, outline: OutputSpec, record: dict[str, Any]) -> None:
        """Encode the last chunk too, full or not, and make the film. Raises OutputError."""
        self.flush()
        while self._encode_future:
            self._await_encoding()
            self.flush()
        if rest := self.frames % self.segment_frames:
            self._encode_segment(self.frames // self.segment_frames, rest)
        assemble_output(
            self.segment_paths,
            self.frames,
            part,
            self._container_format,
            self._encode_options,
            outline,
            record,
        )

    def prune(self, frames: int) -> None:
        """Drop the raw frames of chunks that lie before, and are encoded."""
        for number in range(
            self._pruned_segments, min(frames // self.segment_frames, self._encoded_segments)
        ):
            self.raw_frames_path(number).unlink(missing_ok=True)
            self._pruned_segments = number + 1

    def resume(self, frames: int) -> None:
        """Take up the work behind so many frames. Raises OutputError where some are missing."""
        full, rest = divmod(frames, self.segment_frames)
        sealed = next((n for n in range(full) if not self.segment_path(n).exists()), full)
        # Broken off before the last chunks were encoded: their raw frames are there.
        lost = [n for n in range(sealed, full) if self._count_raw_frames(n) < self.segment_frames]
        if lost or self._count_raw_frames(full) < rest:
            raise OutputError(
                f"{self.folder} is damaged: frames from {self.segment_frames * (lost or [full])[0]} on are "
                "missing; give --fresh to start over"
            )
        number = full
        while self.segment_path(number).exists() or number == full:
            self.segment_path(number).unlink(missing_ok=True)
            number += 1
        self.frames, self._encoded_segments = frames, sealed

    def count(self) -> int:
        """Return how many frames there are in whole chunks, and raw after them."""
        frames = number = 0
        while True:
            # Of a chunk that may be a short one its raw frames tell how many it has.
            whole = self.segment_frames if self.segment_path(number).exists() else 0
            there = min(self.segment_frames, self._count_raw_frames(number)) or whole
            frames, number = frames + there, number + 1
            if there < self.segment_frames:
                return frames

    def _count_raw_frames(self, number: int) -> int:
        path = self.raw_frames_path(number)
        return path.stat().st_size // self._raw_record_bytes if path.exists() else 0

    def _read_raw_frames(self, number: int, count: int) -> Iterator[tuple[int, np.ndarray]]:
        with self.raw_frames_path(number).open("rb") as file:
            for _ in range(count):
                stamp = int(np.frombuffer(file.read(RAW_TIMESTAMP_BYTES), np.int64)[0])
                picture = np.frombuffer(
                    file.read(self._raw_record_bytes - RAW_TIMESTAMP_BYTES), np.uint8
                )
                yield stamp, picture.reshape(self._frame_shape)

    def _encode_segment(self, number: int, count: int) -> None:
        """Make a chunk of its raw frames; the time that it starts at is kept in its comment."""
        outline = self._spec
        first = next(self._read_raw_frames(number, 1))[0]
        start = first * ffmpeg.VARIABLE_RATE_TIME_BASE
        if outline.constant_rate:
            start = number * self.segment_frames / outline.rate
        height, width = self._frame_shape[:2]
        if self._needs_padding:
            height, width = height + height % 2, width + width % 2
        with self._times.stage("encode"), atomic_write(self.segment_path(number)) as part:
            square = outline.pixel_aspect == 1 or not self._container_format.codecs
            options = self._video_encoding.ffmpeg_options(
                None if square else str(outline.pixel_aspect)
            )
            options += ["-metadata", f"comment={start}", str(part.absolute())]
            pipe = ffmpeg.FfmpegFramePipe(
                width, height, outline.rate, outline.constant_rate, options
            )
            try:
                for stamp, picture in self._read_raw_frames(number, count):
                    if self._is_cancelled:
                        raise OutputError(f"{part} was not finished")
                    if self._needs_padding:
                        picture = np.pad(picture, self._padding, mode="edge")
                    pipe.write(picture, (stamp - first) * ffmpeg.VARIABLE_RATE_TIME_BASE)
                pipe.close()
            except BaseException:
                pipe.kill()
                raise
