"""Laplacian pyramids (Burt and Adelson 1983): an image as bands of detail, an octave each."""

from __future__ import annotations

from torch import Tensor

from dreamflow.core.imaging.arrays import image_size
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
        if min(image.shape[2:]) < MIN_SIDE_PX:
            break
        small = pyramid_down(image)
        found.append(image - pyramid_up(small, image_size(image)))
        image = small
    return [*found, image]


def join_bands(bands: list[Tensor]) -> Tensor:
    """Return the image that `split_bands` split, of its bands, fine to coarse."""
    image = bands[-1]
    for band in reversed(bands[:-1]):
        image = pyramid_up(image, image_size(band)) + band
    return image
