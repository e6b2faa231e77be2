"""Resizing a picture: to a size, or into a size with black bars."""

from __future__ import annotations

import numpy as np

from dreamflow.core.opencv import cv2

LETTERBOX_ASPECT_TOLERANCE = 0.03
"""Relative difference of two aspect ratios up to which they count as equal."""


def resize_picture(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resize a picture: by area averaging where a side shrinks, else by bicubic interpolation.

    Args:
        picture: (H, W) or (H, W, C), uint8 or float32.
        width: Width of the result, in pixels.
        height: Height of the result, in pixels.

    Returns:
        (height, width) or (height, width, C) of the same type, contiguous. Bicubic interpolation
        overshoots: floats may leave their range.
    """
    if picture.shape[:2] == (height, width):
        return np.ascontiguousarray(picture)
    smaller = width < picture.shape[1] or height < picture.shape[0]
    method = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return cv2.resize(np.ascontiguousarray(picture), (width, height), interpolation=method)


def letterbox(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resize a picture into a size, with black bars where its aspect ratio differs.

    Args:
        picture: (H, W, 3) uint8.
        width: Width of the result, in pixels.
        height: Height of the result, in pixels.

    Returns:
        (height, width, 3) uint8.
    """
    high, wide = picture.shape[:2]
    if abs(wide * height / (high * width) - 1) < LETTERBOX_ASPECT_TOLERANCE:
        return resize_picture(picture, width, height)
    scale = min(width / wide, height / high)
    wide, high = max(1, round(wide * scale)), max(1, round(high * scale))
    left, top = (width - wide) // 2, (height - high) // 2
    boxed = np.zeros((height, width, 3), np.uint8)
    boxed[top : top + high, left : left + wide] = resize_picture(picture, wide, high)
    return boxed
