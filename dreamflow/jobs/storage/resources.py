"""Whether there is room: on the disk before a render begins, and in memory when it has failed."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import torch

from dreamflow.core.errors import DreamFlowWarning, named
from dreamflow.media.output_spec import OutputSpec

MIN_VIDEO_BYTES_PER_PIXEL = 0.1
"""Bytes on the disk per pixel and frame of a film, at least: it is there twice while its segments
are joined, and dreams have much detail."""
MIN_PNG_BYTES_PER_PIXEL = 1.0
"""Bytes on the disk per pixel and frame of PNGs, at least."""
STATE_BYTES_PER_PIXEL = 80
"""Bytes on the disk per pixel of a pipeline's state, which is there twice while it is replaced."""
OUT_OF_MEMORY_TEXTS = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "insufficient memory",
)
"""How PyTorch, OpenCV and the system word it, in lower case."""


def warn_if_disk_low(folder: Path, output_spec: OutputSpec, frames: int, is_video: bool) -> None:
    """Warn where a folder's disk clearly has too little room for the remaining frames.

    Args:
        folder: The job's folder.
        output_spec: Size of the frames.
        frames: How many are still to be written.
        is_video: Whether they are encoded as video, and not as PNGs.
    """
    frame_bytes_per_pixel = MIN_VIDEO_BYTES_PER_PIXEL if is_video else MIN_PNG_BYTES_PER_PIXEL
    bytes_per_pixel = max(0, frames) * frame_bytes_per_pixel + STATE_BYTES_PER_PIXEL
    needed = output_spec.width * output_spec.height * bytes_per_pixel
    free = shutil.disk_usage(folder).free
    if free < needed:
        warnings.warn(
            f"{folder.absolute().parent} has {free / 1e9:.2f} GB left, and the output may need "
            f"{needed / 1e9:.2f} GB or more",
            DreamFlowWarning,
            2,
        )


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that the memory of the machine or its GPU is full."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or (
        isinstance(error, (RuntimeError, torch.cuda.OutOfMemoryError))
        and any(words in text for words in OUT_OF_MEMORY_TEXTS)
    )


def explain_out_of_memory(error: BaseException) -> str:
    """Return a message that says which memory is full, and what to do."""
    size = named("size")
    if isinstance(error, torch.cuda.OutOfMemoryError) or "MPS" in str(error):
        return f"the GPU's memory is full: end other programs that use it, or render with {size}"
    return f"the memory is full: end other programs, or render with a smaller {size}"
