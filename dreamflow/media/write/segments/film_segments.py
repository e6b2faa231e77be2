"""The frames of an output that is being written, kept on the disk so that none is lost.

A video is written as segments of a fixed number of frames, each encoded by itself, which are
joined at the end without being encoded again. A frame's number alone says which segment holds it,
so the segments are the same however often a render is interrupted. The frames of the segment in
progress lie beside them in a raw file, and so do those of the full one before it, which is encoded
in a thread meanwhile.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from dreamflow.core.errors import ConvertedOutputWarning, LeftOutWarning, OutputError
from dreamflow.core.frames import Frame
from dreamflow.core.timing import IGNORED_STAGE_TIMES, WAITING_STAGE, StageTimes
from dreamflow.media.options import EncodeOptions
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.write.animation.frame_delays import ANIMATION_TIMING_BY_SUFFIX
from dreamflow.media.write.assemble import assemble_output
from dreamflow.media.write.containers import ContainerFormat
from dreamflow.media.write.even_sides import round_up_to_even
from dreamflow.media.write.ffmpeg import VARIABLE_RATE_TIME_BASE
from dreamflow.media.write.segments.encode_segment import encode_segment
from dreamflow.media.write.segments.piece_ledger import Damage, DamagedPiecesError, PieceLedger
from dreamflow.media.write.segments.raw_frames import RawFrameFile
from dreamflow.media.write.tracks.extras import warn_of_lost_extras
from dreamflow.media.write.tracks.sound import warn_of_lost_tracks

MAX_SEGMENT_FRAMES = 240
"""Frames of a segment. Each begins with a key frame, which shows as a slight pulse in still scenes
(on a swept still the mean change there was 2.9 levels instead of 1.5), so they are as rare as
encoders make key frames by themselves."""
MIN_SEGMENT_FRAMES = 12
"""Frames of a segment at least, however large they are."""
MAX_RAW_SEGMENT_BYTES = 512 * 2**20
"""Bytes of a segment's raw frames at most: 86 frames of 1920x1080. Two segments may be raw."""


def choose_segment_frames(output_spec: OutputSpec) -> int:
    """Return the number of frames of a segment: fewer where frames are large."""
    affordable = MAX_RAW_SEGMENT_BYTES // (3 * output_spec.width * output_spec.height)
    return min(MAX_SEGMENT_FRAMES, max(MIN_SEGMENT_FRAMES, affordable))


class VideoSegmentWriter:
    """Keeps the frames of a video as encoded segments, and raw frames after them.

    Attributes:
        frames: Number of frames written.
        folder: The folder of the segments.
        segment_frames: Frames of a segment.
    """

    def __init__(
        self,
        folder: Path,
        container_format: ContainerFormat,
        output_spec: OutputSpec,
        encode: EncodeOptions,
        segment_frames: int,
        identity: str,
        times: StageTimes = IGNORED_STAGE_TIMES,
    ) -> None:
        """Use an empty folder, or that of an interrupted render.

        Args:
            folder: The folder, which exists by the first frame.
            container_format: Format of the output.
            output_spec: Size and timing of the frames.
            encode: How they are encoded.
            segment_frames: Frames of a segment.
            identity: What tells the pieces of this output from those of any other.
            times: Counts the time that encoding takes.
        """
        self.frames = 0
        self._times = times
        self._ledger = PieceLedger(folder, identity)
        self.folder, self.segment_frames = folder, segment_frames
        self._container_format, self._spec = container_format, output_spec
        self._frame_shape = (output_spec.height, output_spec.width, 3)
        self._encode_options, self._video_encoding = encode, container_format.video_encoding(encode)
        self._encoded_segments = 0
        self._pruned_segments = 0
        self._encode_pool = ThreadPoolExecutor(1, thread_name_prefix="encode")
        self._encode_future: Future[None] | None = None
        self._is_cancelled = False

    def warn_of_changes(self) -> None:
        """Warn of what is left out, of padded sides, and of an animation that is too fast."""
        spec, encoding = self._spec, self._video_encoding
        suffix = self._container_format.suffix
        if not self._container_format.codecs:
            warn_of_lost_tracks(f"a {suffix}", spec)
        warn_of_lost_extras(suffix, f"a {suffix}", spec)
        width, height = round_up_to_even(spec.width, spec.height)
        if encoding.needs_even_sides and (width, height) != (spec.width, spec.height):
            warnings.warn(
                f"{encoding.codec} films need even sides: the last row or column is repeated, "
                f"{spec.width}x{spec.height} becomes {width}x{height}",
                ConvertedOutputWarning,
                2,
            )
        timing = ANIMATION_TIMING_BY_SUFFIX.get(self._container_format.suffix)
        if timing and spec.constant_rate and spec.rate > timing.max_rate:
            warnings.warn(
                f"browsers show at most {float(timing.max_rate):.0f} frames a second of a "
                f"{self._container_format.suffix}, and this one has {float(spec.rate):g}: the "
                "others are left out; the length stays",
                LeftOutWarning,
                2,
            )

    def segment_path(self, number: int) -> Path:
        """Return the file of an encoded segment, numbered from 0."""
        return self.folder / f"chunk_{number:06d}{self._video_encoding.segment_suffix}"

    @property
    def rest_path(self) -> Path:
        """File of the frames after the last full segment, encoded to make an output of them.

        It has a name of its own: where the raw frames of a full segment are damaged, an output may
        be made of those before the damage, and the segment itself stays as it is.
        """
        return self.folder / f"chunk_rest{self._video_encoding.segment_suffix}"

    def raw_frames_path(self, number: int) -> Path:
        """Return the file of a segment's raw frames, numbered from 0."""
        return self.folder / f"pending_{number:06d}.rgb"

    def _raw_frames(self, number: int) -> RawFrameFile:
        first = number * self.segment_frames
        return RawFrameFile(self.raw_frames_path(number), self._frame_shape, self._ledger, first)

    def list_segment_paths(self, frames: int) -> list[Path]:
        """Return the files of the segments that hold so many frames, once all are encoded."""
        full, rest = divmod(frames, self.segment_frames)
        return [*map(self.segment_path, range(full)), *([self.rest_path] if rest else [])]

    @property
    def can_flush(self) -> bool:
        """Whether a segment is full that is neither encoded nor being encoded."""
        return (
            self._encoded_segments + bool(self._encode_future) < self.frames // self.segment_frames
        )

    def write(self, frame: Frame) -> None:
        """Add a frame.

        Raises:
            OutputError: The frame has another type or size, the disk is full, or encoding failed.
        """
        if frame.picture.shape != self._frame_shape or frame.picture.dtype != np.uint8:
            raise OutputError(
                f"a frame is {frame.picture.dtype} {frame.picture.shape}, but this film's are "
                f"uint8 {self._frame_shape}"
            )
        if self.can_flush:
            self.flush()
        self._write_raw(self.frames, frame)
        self.frames += 1

    def _write_raw(self, number: int, frame: Frame) -> None:
        segment, place = divmod(number, self.segment_frames)
        timestamp = round(frame.time / VARIABLE_RATE_TIME_BASE)
        self._raw_frames(segment).write(place, timestamp, frame.picture)

    def flush(self) -> None:
        """Bring all frames onto the disk, and begin to encode a segment that is full.

        Waits for the segment before it.

        Raises:
            OutputError: Encoding a segment failed.
        """
        if self.frames > self.segment_frames * self._encoded_segments:
            self._raw_frames((self.frames - 1) // self.segment_frames).sync()
        if self._encode_future and (self.can_flush or self._encode_future.done()):
            self._await_encoding()
        if self.can_flush:
            self._encode_future = self._encode_pool.submit(
                self._encode_segment, self._encoded_segments, self.segment_frames
            )

    def _await_encoding(self) -> None:
        if self._encode_future:
            encoding, self._encode_future = self._encode_future, None
            with self._times.stage(WAITING_STAGE):
                encoding.result()
            self._encoded_segments += 1

    def close(self) -> None:
        """Stop encoding; the raw frames of that segment stay."""
        self._is_cancelled = True
        self._encode_pool.shutdown(cancel_futures=True)

    def write_output(self, part: Path, output_spec: OutputSpec, record: dict[str, Any]) -> None:
        """Encode all that is left, and assemble the video.

        Args:
            part: The file to write, in the folder.
            output_spec: Its timing, sound and chapters.
            record: Settings to embed.

        Raises:
            DamagedPiecesError: A segment is not what was written.
            OutputError: Encoding or assembling failed.
        """
        self.encode_rest()
        assemble_output(
            self.list_segment_paths(self.frames),
            self.frames,
            part,
            self._container_format,
            self._encode_options,
            output_spec,
            record,
        )

    def encode_rest(self) -> None:
        """Encode all that is left, and check every segment.

        Raises:
            DamagedPiecesError: A segment is not what was written.
            OutputError: Encoding failed.
        """
        self.flush()
        while self._encode_future:
            self._await_encoding()
            self.flush()
        if rest := self.frames % self.segment_frames:
            self._encode_segment(self.frames // self.segment_frames, rest)
        if damages := self.find_unencoded(self.frames):
            raise DamagedPiecesError(self.folder, damages, self.frames)

    def find_unencoded(self, frames: int) -> list[Damage]:
        """Return what of an output of so many frames is not encoded, or is damaged."""
        return self._find_damaged_segments(self.list_segment_paths(frames), frames)

    def prune(self, frames: int) -> None:
        """Delete the raw frames of encoded segments that end before frame number `frames`."""
        for number in range(
            self._pruned_segments, min(frames // self.segment_frames, self._encoded_segments)
        ):
            self._raw_frames(number).remove()
            self._pruned_segments = number + 1

    def find_damages(self, frames: int) -> list[Damage]:
        """Return the pieces of the first `frames` frames that are not what was written.

        A segment whose raw frames are whole is not damaged: it is encoded again.
        """
        full, rest = divmod(frames, self.segment_frames)
        damages = [
            damage
            for damage in self._find_damaged_segments(map(self.segment_path, range(full)), frames)
            if self._raw_frames(damage.first // self.segment_frames).find_damage(
                self.segment_frames
            )
        ]
        if rest and (damage := self._raw_frames(full).find_damage(rest)):
            damages.append(damage)
        return damages

    def _find_damaged_segments(self, paths: Iterable[Path], frames: int) -> list[Damage]:
        """Return the damages of the encoded segments of the first `frames` frames, in order."""
        damages: list[Damage] = []
        for number, path in enumerate(paths):
            if problem := self._ledger.find_problem(path):
                first = number * self.segment_frames
                stop = min(first + self.segment_frames, frames)
                damages.append(Damage(path, problem, first, stop))
        return damages

    def rewrite(self, first: int, frames: Sequence[Frame]) -> None:
        """Replace the frames of one segment; one that is full is encoded at once.

        Args:
            first: Number of the segment's first frame.
            frames: All of its frames that there are.

        Raises:
            OutputError: They cannot be written, or encoding failed.
        """
        number = first // self.segment_frames
        for place, frame in enumerate(frames):
            self._write_raw(first + place, frame)
        self._raw_frames(number).sync()
        if self.segment_path(number).is_dir():
            shutil.rmtree(self.segment_path(number))
        if len(frames) == self.segment_frames:
            self._encode_segment(number, self.segment_frames)

    def resume(self, frames: int, keep_rest: bool = False) -> None:
        """Go on after the first `frames` frames; later segments are deleted, or else left alone.

        Raises:
            DamagedPiecesError: Some of them are missing, or are not what was written.
            OutputError: Encoding a segment again failed.
        """
        if damages := self.find_damages(frames):
            raise DamagedPiecesError(self.folder, damages, frames)
        full, rest = divmod(frames, self.segment_frames)
        unencoded = [
            damage.first // self.segment_frames
            for damage in self._find_damaged_segments(map(self.segment_path, range(full)), frames)
        ]
        # Interrupted before the last segments were encoded: their raw frames are there.
        encoded = full
        while unencoded and unencoded[-1] == encoded - 1:
            encoded = unencoded.pop()
        for number in unencoded:
            self._encode_segment(number, self.segment_frames)
        self.frames, self._encoded_segments = frames, encoded
        if keep_rest:
            return
        self.rest_path.unlink(missing_ok=True)
        number = encoded
        while self.segment_path(number).exists() or number <= full:
            self.segment_path(number).unlink(missing_ok=True)
            number += 1
        self._ledger.keep({self.segment_path(n).name for n in range(encoded)})
        for path in self.folder.glob("pending_*.rgb"):
            if path not in map(self.raw_frames_path, range(encoded, full + bool(rest))):
                path.unlink()

    def count(self) -> int:
        """Return the number of frames in complete segments, and raw after them."""
        frames = number = 0
        while True:
            # Raw frames count first: earlier versions encoded the rest under a segment's name.
            encoded = self.segment_frames if self.segment_path(number).is_file() else 0
            available = min(self.segment_frames, self._count_raw(number)) or encoded
            frames, number = frames + available, number + 1
            if available < self.segment_frames:
                return frames

    def _count_raw(self, number: int) -> int:
        return self._raw_frames(number).count()

    def _encode_segment(self, number: int, count: int) -> None:
        path = self.segment_path(number) if count == self.segment_frames else self.rest_path
        with self._times.stage("encode"):
            encode_segment(
                self._raw_frames(number),
                count,
                number * self.segment_frames,
                path,
                self._video_encoding,
                self._spec,
                # Animated pictures have no tag: they are stretched to square pixels at the end.
                tags_pixel_aspect=bool(self._container_format.codecs),
                is_cancelled=lambda: self._is_cancelled,
            )
            # The segment is on the disk; until its line is, its raw frames are what counts.
            self._ledger.record(path)
            self._ledger.sync()
