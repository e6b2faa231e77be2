"""Laplacian pyramids (Burt and Adelson 1983): an image as bands of detail, an octave each."""

from __future__ import annotations

from torch import Tensor

from dreamflow.core.imaging.filters import pyramid_down, pyramid_up

BANDS = 4
"""Bands of detail, besides what is left below them."""
MIN_SIDE_PX = 8
"""Smallest side of an image that is split further."""


def split_bands(image: Tensor, bands: int = BANDS) -> list[Tensor]:
    """Return the bands of a float32 (1, C, H, W) image, fine to coarse, and last what is left.

    A small image has fewer bands.
    """
    found: list[Tensor] = []
    for _ in range(bands):
        height, width = image.shape[2:]
        if min(height, width) < MIN_SIDE_PX:
            break
        small = pyramid_down(image)
        found.append(image - pyramid_up(small, (height, width)))
        image = small
    return [*found, image]


def join_bands(bands: list[Tensor]) -> Tensor:
    """Return the image that `split_bands` split, of its bands, fine to coarse."""
    image = bands[-1]
    for band in reversed(bands[:-1]):
        height, width = band.shape[2:]
        image = pyramid_up(image, (height, width)) + band
    return image
