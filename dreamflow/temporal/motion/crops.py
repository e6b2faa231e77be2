"""Crops that hold the disoccluded parts of a frame, found on a grid of blocks on the host."""

from __future__ import annotations

import math

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
    margin_blocks: int = 1,
) -> list[Crop]:
    """Return the crops that hold the disoccluded blocks of a frame, and those that move.

    Each has a margin around them, and at least `min_side_px` a side as far as the frame has them.
    Specks and thin strips are left out: a pan's strip of a few pixels at the edge would take half a
    frame with it.

    Args:
        shares: float32 (rows, columns), share of each block that is disoccluded.
        height: Of the frame, in pixels.
        width: Of the frame, in pixels.
        min_side_px: Smallest side that the objective's layers can see.
        gains: The constants.
        movers: float32 (rows, columns), share of each block that moves by itself; None where
            nothing does.
        margin_blocks: Width of the margin, in blocks.
    """
    movers = np.zeros_like(shares) if movers is None else movers
    shares = (shares + movers).clip(0, 1)
    marked = (shares > gains.crop_block_share) | (movers > gains.crop_block_mover)
    marked = marked.astype(np.uint8)
    if not marked.any():
        return []
    window = np.ones((2 * margin_blocks + 1, 2 * margin_blocks + 1), np.uint8)
    marked = cv2.dilate(marked, window)
    rows, columns = shares.shape
    crops: list[Crop] = []
    for box in _boxes_around(marked, gains):
        moves = movers[box].sum() >= gains.crop_min_mover
        if shares[box].mean() < gains.crop_min_share and not moves:
            continue
        down, across = box
        crops.append(
            (_span(down, rows, height, min_side_px), _span(across, columns, width, min_side_px))
        )
    area = sum((r.stop - r.start) * (c.stop - c.start) for r, c in crops)
    if area > gains.crop_whole_share * height * width:
        return [(slice(0, height), slice(0, width))]
    return crops


def _boxes_around(marked: np.ndarray, gains: Gains) -> list[Crop]:
    """Return boxes of blocks that hold all that is marked, uint8 (rows, columns).

    One for each piece that hangs together, divided where that leaves enough out: something that
    moves and the edge of a pan meet in a box of the whole frame.
    """
    count, labels = cv2.connectedComponents(marked, connectivity=4)
    return [
        box
        for label in range(1, count)
        for box in _divided(labels == label, (0, 0), gains.crop_split_share)
    ]


def _divided(marked: np.ndarray, origin: tuple[int, int], share: float) -> list[Crop]:
    """Return the box of what is marked, bool (rows, columns), or those of its best two parts."""
    across, down = np.flatnonzero(marked.any(axis=0)), np.flatnonzero(marked.any(axis=1))
    marked = marked[down[0] : down[-1] + 1, across[0] : across[-1] + 1]
    origin = origin[0] + int(down[0]), origin[1] + int(across[0])
    areas = [_areas_of_parts(marked), _areas_of_parts(marked.T)]
    axis = int(areas[1].min(initial=marked.size) < areas[0].min(initial=marked.size))
    if areas[axis].size and areas[axis].min() <= share * marked.size:
        at = int(areas[axis].argmin()) + 1
        first, second = np.split(marked, [at], axis=axis)
        further = (origin[0] + at, origin[1]) if axis == 0 else (origin[0], origin[1] + at)
        return _divided(first, origin, share) + _divided(second, further, share)
    return [np.s_[origin[0] : origin[0] + marked.shape[0], origin[1] : origin[1] + marked.shape[1]]]


def _areas_of_parts(marked: np.ndarray) -> np.ndarray:
    """Return the area in blocks of both parts' boxes, for a cut below each row but the last.

    marked: bool (rows, columns), with something in its first row and in its last: (rows - 1,).
    """
    return _areas_from_above(marked)[:-1] + _areas_from_above(marked[::-1])[-2::-1]


def _areas_from_above(marked: np.ndarray) -> np.ndarray:
    """Return the area of the box around what is marked in all rows down to each: (rows,)."""
    columns, used = marked.shape[1], marked.any(axis=1)
    first, last = marked.argmax(axis=1), columns - 1 - marked[:, ::-1].argmax(axis=1)
    below = np.ones_like(first).cumsum()
    first[~used], last[~used], below[~used] = columns, -1, 0
    height = np.maximum.accumulate(below)
    return height * (np.maximum.accumulate(last) + 1 - np.minimum.accumulate(first))


def _span(blocks: slice, count: int, length: int, min_side_px: int) -> slice:
    """Return the pixels of a span of blocks, at least `min_side_px` as far as the axis has them.

    As many blocks always make as many pixels, though they do not divide the frame evenly: a network
    takes longer over a size that it has not seen yet.

    Args:
        blocks: The blocks.
        count: How many the axis has.
        length: Of the axis, in pixels.
        min_side_px: Smallest side that the objective's layers can see.
    """
    side_px = max(min_side_px, math.ceil(length / count) * (blocks.stop - blocks.start))
    start = blocks.start * length // count
    return widen_span(slice(start, start), length, side_px)


def widen_span(span: slice, length: int, side_px: int) -> slice:
    """Return a span of pixels that is at least `side_px` long, as far as its axis of `length` is.

    It grows at its end, or where the axis ends at its beginning.
    """
    side_px = min(length, max(span.stop - span.start, side_px))
    start = max(0, min(span.start, length - side_px))
    return slice(start, start + side_px)
