"""Crops of a frame side by side in one image, so that one pass of a network dreams all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dreamflow.core.imaging.arrays import image_size
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.motion.crops import Crop, find_crops, widen_span

ROUNDING_BLOCKS = 3
"""Sides of a montage are whole multiples of this many blocks: a network takes longer over a size
that it has not seen yet, and the crops of each frame differ a little."""

ROWS, COLUMNS = 0, 1
"""The axes of a crop."""


@dataclass(frozen=True)
class Montage:
    """Crops of a frame, widened to fit each other, one behind the other along an axis.

    A pass of a network takes a while however small its image is. So few larger passes are quicker
    than many small ones; and the widened crops see more of their surroundings.

    Attributes:
        crops: What is taken back into the frame.
        widened: The same crops with what is dreamed around them, as large as each other across the
            axis.
        axis: `ROWS` where they lie one below the other, `COLUMNS` where side by side.
    """

    crops: tuple[Crop, ...]
    widened: tuple[Crop, ...]
    axis: int

    @property
    def area_px(self) -> int:
        """Pixels of the montage."""
        return sum(_length(rows) * _length(columns) for rows, columns in self.widened)

    def gather(self, image: Tensor) -> Tensor:
        """Return the montage of an image (1, C, H, W)."""
        parts = [image[:, :, rows, columns] for rows, columns in self.widened]
        return torch.cat(parts, 2 + self.axis)

    def scatter(self, montage: Tensor, image: Tensor) -> Tensor:
        """Return an image (1, C, H, W) with its crops replaced by those of a montage of it."""
        image = image.clone()
        lengths = [_length(widened[self.axis]) for widened in self.widened]
        parts = torch.split(montage, lengths, 2 + self.axis)
        for part, (rows, columns), (down, across) in zip(
            parts, self.crops, self.widened, strict=True
        ):
            inner = part[:, :, _within(rows, down), _within(columns, across)]
            image[:, :, rows, columns] = inner
        return image


def find_montage(
    image: Tensor,
    shares: np.ndarray,
    movers: np.ndarray,
    min_side_px: int,
    gains: Gains,
    margin_blocks: int = 1,
) -> Montage | None:
    """Return the montage of what is marked in an image (1, C, H, W), None where nothing is.

    The other arguments are those of `find_crops`.
    """
    height, width = image_size(image)
    crops = find_crops(shares, height, width, min_side_px, gains, movers, margin_blocks)
    return make_montage(crops, height, width, gains) if crops else None


def make_montage(crops: Sequence[Crop], height: int, width: int, gains: Gains) -> Montage:
    """Return the smaller of the montages of crops side by side, and one below the other.

    Args:
        crops: One at least.
        height: Of the frame, in pixels.
        width: Of the frame, in pixels.
        gains: The constants.

    Returns:
        The montage; that of the whole frame where it would be nearly as large.
    """
    rounding_px = max(1, round(ROUNDING_BLOCKS * gains.crop_block * max(height, width)))
    montages = [_montage_along(axis, crops, (height, width), rounding_px) for axis in (0, 1)]
    smaller = min(montages, key=lambda montage: montage.area_px)
    if smaller.area_px <= gains.crop_whole_share * height * width:
        return smaller
    whole = slice(0, height), slice(0, width)
    return Montage((whole,), (whole,), COLUMNS)


def _montage_along(
    axis: int, crops: Sequence[Crop], size: tuple[int, int], rounding_px: int
) -> Montage:
    """Return the montage of crops one behind the other along an axis; size: of the frame."""
    across = 1 - axis
    side = _rounded_up(max(_length(crop[across]) for crop in crops), rounding_px)
    total = sum(_length(crop[axis]) for crop in crops)
    missing = _rounded_up(total, rounding_px) - total
    widened: list[Crop] = []
    for crop in crops:
        # The first crops that have room take what the sum lacks to a round one.
        more = min(missing, size[axis] - _length(crop[axis]))
        missing -= more
        spans = {
            axis: widen_span(crop[axis], size[axis], _length(crop[axis]) + more),
            across: widen_span(crop[across], size[across], side),
        }
        widened.append((spans[ROWS], spans[COLUMNS]))
    return Montage(tuple(crops), tuple(widened), axis)


def _rounded_up(length: int, unit: int) -> int:
    return -(-length // unit) * unit


def _length(span: slice) -> int:
    return span.stop - span.start


def _within(span: slice, outer: slice) -> slice:
    return slice(span.start - outer.start, span.stop - outer.start)
