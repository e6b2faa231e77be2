"""The rectangles that hold the marked parts of a frame."""

from __future__ import annotations

import numpy as np

from dreamflow.core.opencv import cv2

BLOCK_PX = 32
"""Marks are gathered on a grid of blocks of this side, so that specks do not make rectangles."""
BLOCK_SHARE = 0.04
"""Share of a block's pixels that must be marked for the block to count."""
WORTH_SHARE = 0.1
"""Share of a rectangle that must be marked for it to be worth the while: a pan's strip of a few
pixels at the edge took half a frame with it."""
WHOLE_SHARE = 0.7
"""Where the rectangles would cover more of the frame than this, one of the whole frame is taken."""


def regions(mask: np.ndarray, smallest: int) -> list[tuple[slice, slice]]:
    """Return the (rows, columns) of rectangles that hold the True parts of a bool (H, W) mask.

    Each has a margin of a block around what is marked, and at least `smallest` pixels a side so
    far as the mask has them. Specks and thin strips are left out; no marks give no rectangles.
    """
    height, width = mask.shape
    coarse = (-(-width // BLOCK_PX), -(-height // BLOCK_PX))
    padded = np.zeros((coarse[1] * BLOCK_PX, coarse[0] * BLOCK_PX), np.float32)
    padded[:height, :width] = mask
    shares = cv2.resize(padded, coarse, interpolation=cv2.INTER_AREA)
    marked = cv2.dilate((shares > BLOCK_SHARE).astype(np.uint8), np.ones((3, 3), np.uint8))
    count, _, boxes, _ = cv2.connectedComponentsWithStats(marked, connectivity=4)
    found: list[tuple[slice, slice]] = []
    for box in boxes[1:count]:
        left, top, wide, high = (int(v) * BLOCK_PX for v in box[:4])
        rows, columns = span(top, high, height, smallest), span(left, wide, width, smallest)
        if mask[rows, columns].mean() >= WORTH_SHARE:
            found.append((rows, columns))
    area = sum((rows.stop - rows.start) * (cols.stop - cols.start) for rows, cols in found)
    if area > WHOLE_SHARE * height * width:
        return [(slice(0, height), slice(0, width))]
    return found


def span(start: int, length: int, limit: int, smallest: int) -> slice:
    """Return the slice from `start`, `length` long or `smallest` if that is more, within limit."""
    length = min(limit, max(length, smallest))
    start = max(0, min(start, limit - length))
    return slice(start, start + length)
