"""The part of the frames that a matte ever shows, so that only that is dreamed."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

BLACK_TOLERANCE_LEVELS = 2
"""Levels of 255 that count as black: video is noisy."""
CROP_MARGIN_PX = 48
"""Pixels that are dreamed on each side of the part shown: near a border dreams are worse."""
MIN_CROP_SIDE_PX = 224
"""Smallest side of a crop, in pixels: deep layers need the surroundings."""
MAX_CROP_AREA_SHARE = 0.8
"""Share of the frame's area up to which cropping is worth its cost."""
CropBox = tuple[slice, slice]
"""Rows and columns of a picture."""


def find_visible_sides(
    pictures: Iterable[np.ndarray], size: tuple[int, int], invert: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Find the rows and columns in which any picture of a matte is visible.

    Args:
        pictures: All pictures of the matte, (H, W) uint8.
        size: Their (width, height).
        invert: Whether black is visible instead of white.

    Returns:
        (H,) and (W,) bool: rows and columns.
    """
    columns, rows = (np.zeros(side, bool) for side in size)
    for grey in pictures:
        visible = (255 - grey if invert else grey) > BLACK_TOLERANCE_LEVELS
        columns |= visible.any(axis=0)
        rows |= visible.any(axis=1)
    return rows, columns


def choose_crop_box(
    rows: np.ndarray, columns: np.ndarray, width: int, height: int, feather_sigma: float
) -> CropBox | None:
    """Return the part of a frame to dream, or None where cropping is not worth its cost.

    Args:
        rows: (N,) bool over the height: where the matte is visible.
        columns: (M,) bool over the width, likewise.
        width: Of the frame, in pixels.
        height: Of the frame, in pixels.
        feather_sigma: Standard deviation of the matte's soft edges, in pixels of the frame.
    """
    margin = CROP_MARGIN_PX + 3 * feather_sigma
    box = padded_crop_span(rows, height, margin), padded_crop_span(columns, width, margin)
    area = (box[0].stop - box[0].start) * (box[1].stop - box[1].start)
    return box if area <= MAX_CROP_AREA_SHARE * width * height else None


def padded_crop_span(occupied: np.ndarray, size: int, margin: float) -> slice:
    """Return the pixels of a side that hold all occupied ones and a margin.

    Args:
        occupied: (N,) bool over the side, at least one of them True.
        size: Length of the side, in pixels.
        margin: Pixels to add at each end. A span shorter than MIN_CROP_SIDE_PX is widened further.
    """
    positions, scale = np.flatnonzero(occupied), size / len(occupied)
    first, last = positions[0] * scale - margin, (positions[-1] + 1) * scale + margin
    lacking = max(0.0, (min(MIN_CROP_SIDE_PX, size) - (last - first)) / 2)
    first, last = max(0, math.floor(first - lacking)), min(size, math.ceil(last + lacking))
    # At the border of the picture the rest is taken from the other side.
    first = max(0, min(first, last - MIN_CROP_SIDE_PX))
    return slice(first, max(last, min(size, first + MIN_CROP_SIDE_PX)))
