"""Frames read back from segments that were encoded without loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import av
import av.error
import numpy as np

from dreamflow.core.errors import MediaError, OutputError
from dreamflow.media.depth.film_samples import FilmSamples
from dreamflow.media.files.film_file import open_film
from dreamflow.media.options import EncodeOptions
from dreamflow.media.read.video.orientation import UPRIGHT
from dreamflow.media.sample_format import SampleFormat
from dreamflow.media.write.containers import ContainerFormat, container_format_for

LOSSLESS_SUFFIX = ".mkv"
"""Suffix of the films that frames are kept in without loss."""
LOSSLESS_ENCODING = EncodeOptions(codec="ffv1", lossless=True)
"""FFV1 of 8-bit RGB, or of the samples of a film in depth: what is read is what was written."""
PLANAR_NAME_OF_PACKED = {"rgba": "gbrap", "rgb48le": "gbrp16le", "rgba64le": "gbrap16le"}
"""Planar formats of the same samples as those that lie pixel after pixel."""


def lossless_format() -> ContainerFormat:
    """Return the format that frames are kept in without loss."""
    container = container_format_for(Path(f"frames{LOSSLESS_SUFFIX}"))
    assert container is not None
    return container


def read_lossless_segments(segments: list[Path], frames: int) -> Iterator[np.ndarray]:
    """Yield the pictures of segments in RGB, (H, W, 3) uint8, as they were written.

    Args:
        segments: Files that `LOSSLESS_ENCODING` made, in order.
        frames: How many frames they hold.

    Raises:
        OutputError: One of them cannot be read, or they hold another number of frames.
    """
    for frame in _decode_segments(segments, frames):
        yield frame.to_ndarray(format="rgb24")


def read_lossless_samples(
    segments: list[Path], frames: int, samples: SampleFormat
) -> Iterator[np.ndarray]:
    """Yield the frames of segments in depth, (bytes,) uint8, as they were written.

    Args:
        segments: Files that `LOSSLESS_ENCODING` made of such samples, in order.
        frames: How many frames they hold.
        samples: How the samples of a frame are laid out.

    Raises:
        OutputError: As `read_lossless_segments`.
    """
    planar = replace(
        samples, pixel_format=PLANAR_NAME_OF_PACKED.get(samples.pixel_format, samples.pixel_format)
    )
    for frame in _decode_segments(segments, frames):
        kept = FilmSamples.of_frame(frame, planar, UPRIGHT)
        if planar == samples:
            yield kept.to_bytes()
            continue
        green, blue, red, *alpha = kept.planes
        yield np.dstack([red, green, blue, *alpha]).reshape(-1).view(np.uint8)


def _decode_segments(segments: list[Path], frames: int) -> Iterator[av.VideoFrame]:
    count = 0
    for path in segments:
        try:
            with open_film(path) as film:
                film.streams.video[0].thread_type = "AUTO"
                for frame in film.decode(video=0):
                    count += 1
                    yield frame
        except (av.error.FFmpegError, MediaError, OSError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise OutputError(f"{path} cannot be read: {why}", where=str(path)) from error
    if count != frames:
        where = str(segments[0].parent) if segments else ""
        raise OutputError(f"{where} holds {count} frames, not {frames}", where=where)
