"""Whether there is room: on the disk before a render begins, and in memory when it has failed."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import torch

from dreamflow.core.errors import DreamFlowWarning
from dreamflow.media.output_spec import OutputSpec

MIN_VIDEO_BYTES_PER_PIXEL = 0.1
"""A film takes at least so much a pixel and frame, all in all: it is there twice when it is joined,
and a dream is rich in detail."""
MIN_PNG_BYTES_PER_PIXEL = 1.0
"""The same of PNGs."""
STATE_BYTES_PER_PIXEL = 80
"""A pixel, in the state of the journey; it is there twice while it is replaced."""


def warn_if_disk_low(folder: Path, output_spec: OutputSpec, frames: int, is_video: bool) -> None:
    """Warn where the disk of a folder clearly has not the room for so many frames more."""
    pixels = output_spec.width * output_spec.height
    needed = pixels * (
        max(0, frames) * (MIN_VIDEO_BYTES_PER_PIXEL if is_video else MIN_PNG_BYTES_PER_PIXEL)
        + STATE_BYTES_PER_PIXEL
    )
    free = shutil.disk_usage(folder).free
    if free < needed:
        warnings.warn(
            f"{folder.absolute().parent} has {free / 1e9:.2f} GB left, and the output may need "
            f"{needed / 1e9:.2f} GB or more",
            DreamFlowWarning,
            2,
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that there is no memory left."""
    text = str(error).lower()
    words = ("out of memory", "can't allocate memory", "not enough memory", "insufficient memory")
    return isinstance(error, MemoryError) or (
        isinstance(error, (RuntimeError, torch.cuda.OutOfMemoryError))
        and any(word in text for word in words)
    )


def explain_out_of_memory(error: BaseException) -> str:
    """Return what to do about it."""
    if isinstance(error, torch.cuda.OutOfMemoryError) or "MPS" in str(error):
        return "the GPU's memory is full: end other programs that use it, or render with --size"
    return "the memory is full: end other programs, or render with a smaller --size"
