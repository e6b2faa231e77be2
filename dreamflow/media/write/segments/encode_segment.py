"""Encoding one segment of raw frames into a file of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from dreamflow.core.errors import OutputError
from dreamflow.media.files.atomic_file import atomic_write
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.write.codecs import VideoEncoding
from dreamflow.media.write.deep_codecs import DeepVideoEncoding
from dreamflow.media.write.even_sides import pad_samples_to_even, pad_to_even, round_up_to_even
from dreamflow.media.write.ffmpeg import VARIABLE_RATE_TIME_BASE, FfmpegFramePipe, RawFrames
from dreamflow.media.write.segments.raw_frames import RawFrameFile


def encode_segment(
    raw: RawFrameFile,
    count: int,
    first_frame: int,
    target: Path,
    encoding: VideoEncoding,
    spec: OutputSpec,
    tags_pixel_aspect: bool,
    is_cancelled: Callable[[], bool],
) -> None:
    """Encode raw frames; the file's comment holds the time in seconds at which they start.

    Args:
        raw: The frames.
        count: Number of frames to encode.
        first_frame: Number in the output of the first of them.
        target: The file to write; it appears complete or not at all.
        encoding: How they are encoded.
        spec: Size and timing of the output.
        tags_pixel_aspect: Whether the file says that its pixels are not square.
        is_cancelled: Asked before each frame.

    Raises:
        OutputError: Encoding failed or was cancelled.
    """
    first_timestamp = next(raw.read(1))[0]
    start = first_timestamp * VARIABLE_RATE_TIME_BASE
    if spec.constant_rate:
        start = first_frame / spec.rate
    width, height = spec.width, spec.height
    if encoding.needs_even_sides:
        width, height = round_up_to_even(width, height)
    needs_padding = (width, height) != (spec.width, spec.height)
    pixel_aspect: Fraction | None = None
    if tags_pixel_aspect and spec.pixel_aspect != 1:
        pixel_aspect = spec.pixel_aspect
    with atomic_write(target) as part:
        options = [] if spec.constant_rate else ["-enc_time_base", "demux"]
        options += encoding.ffmpeg_options(pixel_aspect)
        options += ["-metadata", f"comment={start}", str(part.absolute())]
        frames = _describe_frames(encoding, replace(spec, width=width, height=height))
        pipe = FfmpegFramePipe(width, height, spec.rate, spec.constant_rate, options, frames=frames)
        try:
            for timestamp, picture in raw.read(count):
                if is_cancelled():
                    raise OutputError(f"{part} was not finished")
                padded = _pad(picture, spec) if needs_padding else picture
                pipe.write(padded, (timestamp - first_timestamp) * VARIABLE_RATE_TIME_BASE)
            pipe.close()
        except BaseException:
            pipe.kill()
            raise


def _describe_frames(encoding: VideoEncoding, spec: OutputSpec) -> RawFrames | None:
    """Return how the frames of an encoding come; None for 8-bit RGB."""
    if not isinstance(encoding, DeepVideoEncoding):
        return None
    return RawFrames(
        encoding.samples.pixel_format, spec.frame_shape, tuple(encoding.ffmpeg_input_options())
    )


def _pad(picture: np.ndarray, spec: OutputSpec) -> np.ndarray:
    if spec.samples is None:
        return pad_to_even(picture)
    return pad_samples_to_even(picture, spec.samples, spec.width, spec.height)
