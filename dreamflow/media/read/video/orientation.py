"""Rotation and mirroring of a video by its display matrix."""

from __future__ import annotations

import numpy as np

Orientation = tuple[int, int, int, int]
"""(a, b, c, d) of a display matrix, each -1, 0 or 1: pixel (x, y) is displayed at
(a x + c y, b x + d y), y down (ISO/IEC 14496-12, 6.2.2)."""
UPRIGHT: Orientation = (1, 0, 0, 1)
FIXED_POINT_16_16 = 65536
"""Unit of the matrix's cells, which are 16.16 fixed-point numbers."""
DISPLAY_MATRIX_BYTES = 36


def parse_display_matrix(data: bytes) -> Orientation:
    """Return the orientation in a display matrix, 9 int32 in order of rows; else UPRIGHT."""
    if len(data) >= DISPLAY_MATRIX_BYTES:
        cells = np.frombuffer(data[:DISPLAY_MATRIX_BYTES], np.int32)
        a, b, c, d = (round(int(cells[i]) / FIXED_POINT_16_16) for i in (0, 1, 3, 4))
        if (abs(a), abs(b), abs(c), abs(d)) in {(1, 0, 0, 1), (0, 1, 1, 0)}:
            return a, b, c, d
    return UPRIGHT


def apply_orientation(picture: np.ndarray, orientation: Orientation) -> np.ndarray:
    """Return a decoded picture (H, W, 3) rotated and mirrored as it is displayed."""
    a, b, c, d = orientation
    if a == 0:
        picture = picture.transpose(1, 0, 2)
        a, d = c, b
    return np.ascontiguousarray(picture[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])
