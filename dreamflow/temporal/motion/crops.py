"""Crops that hold the disoccluded parts of a frame, found on a grid of blocks on the host."""

from __future__ import annotations

import numpy as np

from dreamflow.core.imaging.filters import grid_size
from dreamflow.core.opencv import cv2
from dreamflow.temporal.control.gains import Gains

Crop = tuple[slice, slice]
"""(rows, columns) of a frame, in pixels."""


def grid_of_blocks(height: int, width: int, gains: Gains) -> tuple[int, int]:
    """Return the (rows, columns) of the blocks in which a frame's coverage is told to the host."""
    return grid_size(height, width, gains.crop_block * max(height, width))


def shares_by_block(mask: np.ndarray, height: int, width: int, gains: Gains) -> np.ndarray:
    """Return the mean of a mask, float32 (h, w), in each block: float32 (rows, columns).

    height, width: Of the frame, in pixels; the mask may be of another size.
    """
    grid = grid_of_blocks(height, width, gains)
    grid = min(grid[0], mask.shape[0]), min(grid[1], mask.shape[1])
    return cv2.resize(mask, grid[::-1], interpolation=cv2.INTER_AREA).reshape(grid)


def find_crops(
    shares: np.ndarray,
    height: int,
    width: int,
    min_side_px: int,
    gains: Gains,
    movers: np.ndarray | None = None,
) -> list[Crop]:
    """Return the crops that hold the disoccluded blocks of a frame, and those that move.

    Each has a margin of a block around them, and at least `min_side_px` a side as far as the frame
    has them. Specks and thin strips are left out: a pan's strip of a few pixels at the edge would
    take half a frame with it.

    Args:
        shares: float32 (rows, columns), share of each block that is disoccluded.
        height: Of the frame, in pixels.
        width: Of the frame, in pixels.
        min_side_px: Smallest side that the objective's layers can see.
        gains: The constants.
        movers: float32 (rows, columns), share of each block that moves by itself; None where
            nothing does.
    """
    movers = np.zeros_like(shares) if movers is None else movers
    shares = (shares + movers).clip(0, 1)
    marked = (shares > gains.crop_block_share).astype(np.uint8)
    if not marked.any():
        return []
    marked = cv2.dilate(marked, np.ones((3, 3), np.uint8))
    count, _, boxes, _ = cv2.connectedComponentsWithStats(marked, connectivity=4)
    rows, columns = shares.shape
    crops: list[Crop] = []
    for left, top, across, down, _ in boxes[1:count].tolist():
        box = np.s_[top : top + down, left : left + across]
        moves = movers[box].sum() >= gains.crop_min_mover
        if shares[box].mean() < gains.crop_min_share and not moves:
            continue
        vertical = _span(top * height // rows, -(-(top + down) * height // rows), height)
        horizontal = _span(left * width // columns, -(-(left + across) * width // columns), width)
        crops.append(
            (_widened(vertical, height, min_side_px), _widened(horizontal, width, min_side_px))
        )
    area = sum((r.stop - r.start) * (c.stop - c.start) for r, c in crops)
    if area > gains.crop_whole_share * height * width:
        return [(slice(0, height), slice(0, width))]
    return crops


def _span(start: int, stop: int, limit: int) -> slice:
    return slice(max(0, start), min(limit, stop))


def _widened(span: slice, limit: int, min_side_px: int) -> slice:
    """Return a span that is at least so long, as far as its axis is."""
    length = min(limit, max(span.stop - span.start, min_side_px))
    start = max(0, min(span.start, limit - length))
    return slice(start, start + length)
