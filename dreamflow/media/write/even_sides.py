"""Padding odd widths and heights to even ones, which subsampled chroma needs."""

from __future__ import annotations

import numpy as np


def pad_to_even(picture: np.ndarray) -> np.ndarray:
    """Return a picture (H, W, C) with its last row and column repeated where H or W is odd."""
    height, width = picture.shape[:2]
    return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def round_up_to_even(width: int, height: int) -> tuple[int, int]:
    """Return the (width, height) that `pad_to_even` gives."""
    return width + width % 2, height + height % 2
