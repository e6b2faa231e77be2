"""Refusing pictures that are too large for the machine's memory, before they are decoded."""

from __future__ import annotations

from pathlib import Path

from dreamflow.core.errors import MediaError

BYTES_PER_PIXEL = 16
"""Memory that reading takes for each pixel: decoded, converted, turned and resized, 8-bit."""
MEMORY_SHARE = 0.5
"""Share of the machine's memory that reading a picture may take."""
GB = 1e9


def check_picture_memory(
    path: Path, width: int, height: int, bytes_per_pixel: int = BYTES_PER_PIXEL
) -> None:
    """Check that a picture of a size can be decoded on this machine.

    Raises:
        MediaError: It would take more than MEMORY_SHARE of the machine's memory.
    """
    from dreamflow.core.machine.memory import total_memory  # loads PyTorch

    needed, limit = width * height * bytes_per_pixel, total_memory() * MEMORY_SHARE
    if needed > limit:
        most = limit / bytes_per_pixel
        raise MediaError(
            f"{path} cannot be read as a picture: it is {width}x{height}, which takes "
            f"{needed / GB:.1f} GB to read; on this machine a picture may have up to "
            f"{most / 1e6:.0f} megapixels, so scale it down first",
            value=f"{width}x{height}",
            allowed=f"up to {most / 1e6:.0f} megapixels",
            where=str(path),
        )
