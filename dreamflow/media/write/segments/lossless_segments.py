"""Frames read back from segments that were encoded without loss."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import av.error
import numpy as np

from dreamflow.core.errors import MediaError, OutputError
from dreamflow.media.files.film_file import open_film
from dreamflow.media.options import EncodeOptions
from dreamflow.media.write.containers import ContainerFormat, container_format_for

LOSSLESS_SUFFIX = ".mkv"
"""Suffix of the films that frames are kept in without loss."""
LOSSLESS_ENCODING = EncodeOptions(codec="ffv1", lossless=True)
"""FFV1 in RGB: what is read is what was written, to the bit."""


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
    count = 0
    for path in segments:
        try:
            with open_film(path) as film:
                film.streams.video[0].thread_type = "AUTO"
                for frame in film.decode(video=0):
                    count += 1
                    yield frame.to_ndarray(format="rgb24")
        except (av.error.FFmpegError, MediaError, OSError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise OutputError(f"{path} cannot be read: {why}", where=str(path)) from error
    if count != frames:
        where = str(segments[0].parent) if segments else ""
        raise OutputError(f"{where} holds {count} frames, not {frames}", where=where)
