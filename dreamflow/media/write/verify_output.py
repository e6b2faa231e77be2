"""Verifying a finished output by decoding it from end to end."""

from __future__ import annotations

from pathlib import Path

import av.error
import imageio.v3 as iio

from dreamflow.core.errors import OutputError
from dreamflow.core.text.wording import format_count
from dreamflow.media.files.film_file import open_film


def verify_video(path: Path, frames: int) -> None:
    """Decode a video.

    Raises:
        OutputError: It does not decode, or has another number of frames than `frames`.
    """
    decoded = 0
    try:
        with open_film(path) as container:
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            for _ in container.decode(stream):
                decoded += 1
    except av.error.FFmpegError as error:
        raise _make_decode_error(path, error.strerror) from error
    if decoded != frames:
        raise _make_count_error(path, decoded, frames)


def verify_animation(path: Path, frames: int) -> None:
    """Decode an animated picture, whose encoder may have merged equal frames.

    Raises:
        OutputError: It does not decode, or has more frames than `frames`.
    """
    try:
        decoded = sum(1 for _ in iio.imiter(path, plugin="pillow"))
    except (OSError, ValueError, EOFError) as error:
        raise _make_decode_error(path, error) from error
    if not 1 <= decoded <= frames:
        raise _make_count_error(path, decoded, frames)


def _make_decode_error(path: Path, why: object) -> OutputError:
    return OutputError(f"{path} was written, but does not decode: {why}", where=str(path))


def _make_count_error(path: Path, decoded: int, frames: int) -> OutputError:
    return OutputError(
        f"{path} was written, but has {format_count(decoded, 'frame')}, not {frames}",
        where=str(path),
    )
