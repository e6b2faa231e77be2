"""Whether there is room on the disk before a render begins."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

from dreamflow.core.errors import StorageWarning
from dreamflow.media.output_spec import OutputSpec

MIN_VIDEO_BYTES_PER_PIXEL = 0.1
"""Bytes on the disk per pixel and frame of a film, at least: it is there twice while its segments
are joined, and dreams have much detail."""
MIN_PNG_BYTES_PER_PIXEL = 1.0
"""Bytes on the disk per pixel and frame of PNGs, at least."""
STATE_BYTES_PER_PIXEL = 80
"""Bytes on the disk per pixel of a pipeline's state, which is there twice while it is replaced."""


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
            StorageWarning,
            2,
        )
