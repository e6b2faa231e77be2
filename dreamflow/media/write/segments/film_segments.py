"""The frames of an output that is being written, kept on the disk so that none is lost.

A video is written as segments of a fixed number of frames, each encoded by itself, which are
joined at the end without being encoded again. A frame's number alone says which segment holds it,
so the segments are the same however often a render is interrupted. The frames of the segment in
progress lie beside them in a raw file, and so do those of the full one before it, which is encoded
in a thread meanwhile.
"""

from __future__ import annotations

import math
import shutil
import warnings
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from dreamflow.core.errors import ConvertedOutputWarning, LeftOutWarning, OutputError
from dreamflow.core.frames import Frame
from dreamflow.core.timing import IGNORED_STAGE_TIMES, WAITING_STAGE, StageTimes
from dreamflow.media.depth.original import PictureOriginal
from dreamflow.media.depth.write_film import film_frame_bytes
from dreamflow.media.options import EncodeOptions
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.write.animation.frame_delays import ANIMATION_TIMING_BY_SUFFIX
from dreamflow.media.write.assemble import assemble_output
from dreamflow.media.write.containers import ContainerFormat
from dreamflow.media.write.deep_codecs import warn_of_lost_depth
from dreamflow.media.write.even_sides import round_up_to_even
from dreamflow.media.write.ffmpeg import VARIABLE_RATE_TIME_BASE
from dreamflow.media.write.segments.encode_segment import encode_segment
from dreamflow.media.write.segments.piece_ledger import Damage, DamagedPiecesError, PieceLedger
from dreamflow.media.write.segments.segment_files import SegmentFiles
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
    affordable = MAX_RAW_SEGMENT_BYTES // math.prod(output_spec.frame_shape)
    return min(MAX_SEGMENT_FRAMES, max(MIN_SEGMENT_FRAMES, affordable))


class VideoSegmentWriter:
    """Keeps the frames of a video as encoded segments, and raw frames after them.

    Attributes:
        frames: Number of frames written.
        segment_frames: Frames of a segment.
        files: Their files.
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
        self.segment_frames = segment_frames
        self._container_format, self._spec = container_format, output_spec
        self._frame_shape = output_spec.frame_shape
        self._encode_options = encode
        self._video_encoding = container_format.video_encoding(encode, output_spec.samples)
        self.files = SegmentFiles(
            *(folder, PieceLedger(folder, identity), segment_frames),
            *(self._video_encoding.segment_suffix, self._frame_shape),
        )
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
        warn_of_lost_depth(encoding)
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
        samples = self._samples_of(frame)
        if samples.shape != self._frame_shape or samples.dtype != np.uint8:
            raise OutputError(
                f"a frame is {samples.dtype} {samples.shape}, but this film's are "
                f"uint8 {self._frame_shape}"
            )
        if self.can_flush:
            self.flush()
        self._write_raw(self.frames, frame.time, samples)
        self.frames += 1

    def _samples_of(self, frame: Frame) -> np.ndarray:
        """Return a frame as it is encoded: 8-bit RGB, or in depth all samples, uint8."""
        if self._spec.samples is None:
            return frame.picture
        if frame.finished is not None and frame.finished.samples is not None:
            return frame.finished.samples
        if not isinstance(frame.original, PictureOriginal):
            raise OutputError("a frame has 8 bits, but this film keeps the depth of its source")
        return film_frame_bytes(frame.original)

    def _write_raw(self, number: int, time: Fraction, samples: np.ndarray) -> None:
        segment, place = divmod(number, self.segment_frames)
        timestamp = round(time / VARIABLE_RATE_TIME_BASE)
        self.files.raw_frames(segment).write(place, timestamp, samples)

    def flush(self) -> None:
        """Bring all frames onto the disk, and begin to encode a segment that is full.

        Waits for the segment before it.

        Raises:
            OutputError: Encoding a segment failed.
        """
        if self.frames > self.segment_frames * self._encoded_segments:
            self.files.raw_frames((self.frames - 1) // self.segment_frames).sync()
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
            self.files.list_segment_paths(self.frames),
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
        if damages := self.files.find_unencoded(self.frames):
            raise DamagedPiecesError(self.files.folder, damages, self.frames)

    def prune(self, frames: int) -> None:
        """Delete the raw frames of encoded segments that end before frame number `frames`."""
        for number in range(
            self._pruned_segments, min(frames // self.segment_frames, self._encoded_segments)
        ):
            self.files.raw_frames(number).remove()
            self._pruned_segments = number + 1

    def find_damages(self, frames: int) -> list[Damage]:
        """Return the pieces of the first `frames` frames that are not what was written."""
        return self.files.find_damages(frames)

    def count(self) -> int:
        """Return the number of frames in complete segments, and raw after them."""
        return self.files.count()

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
            self._write_raw(first + place, frame.time, self._samples_of(frame))
        self.files.raw_frames(number).sync()
        if self.files.segment_path(number).is_dir():
            shutil.rmtree(self.files.segment_path(number))
        if len(frames) == self.segment_frames:
            self._encode_segment(number, self.segment_frames)

    def resume(self, frames: int, keep_rest: bool = False) -> None:
        """Go on after the first `frames` frames; later segments are deleted, or else left alone.

        Raises:
            DamagedPiecesError: Some of them are missing, or are not what was written.
            OutputError: Encoding a segment again failed.
        """
        if damages := self.files.find_damages(frames):
            raise DamagedPiecesError(self.files.folder, damages, frames)
        full = frames // self.segment_frames
        unencoded = [
            damage.first // self.segment_frames
            for damage in self.files.find_unencoded(full * self.segment_frames)
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
        self.files.remove_after(encoded, frames)

    def _encode_segment(self, number: int, count: int) -> None:
        is_full = count == self.segment_frames
        path = self.files.segment_path(number) if is_full else self.files.rest_path
        with self._times.stage("encode"):
            encode_segment(
                self.files.raw_frames(number),
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
            self.files.ledger.record(path)
            self.files.ledger.sync()
