"""Resizing a picture: to a size, or into a size with black bars."""

from __future__ import annotations

import numpy as np

from dreamflow.core.opencv import cv2

LETTERBOX_ASPECT_TOLERANCE = 0.03
"""Relative difference of two aspect ratios up to which they count as equal."""


def resize_picture(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resize a picture: by area averaging where a side shrinks, else by bicubic interpolation.

    Args:
        picture: (H, W) or (H, W, C), uint8, uint16 or float32.
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


def fit_inside(size: tuple[int, int], into: tuple[int, int]) -> tuple[int, int]:
    """Return the size, within another one, of a picture that keeps its aspect ratio.

    Args:
        size: (width, height) of the picture.
        into: (width, height) that it goes into, which is returned where the aspect is nearly its.
    """
    (wide, high), (width, height) = size, into
    if abs(wide * height / (high * width) - 1) < LETTERBOX_ASPECT_TOLERANCE:
        return into
    scale = min(width / wide, height / high)
    return max(1, round(wide * scale)), max(1, round(high * scale))


def letterbox(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resize a picture into a size, with black bars where its aspect ratio differs.

    Args:
        picture: (H, W) or (H, W, C), uint8 or uint16.
        width: Width of the result, in pixels.
        height: Height of the result, in pixels.

    Returns:
        (height, width) or (height, width, C) of the same type.
    """
    wide, high = fit_inside((picture.shape[1], picture.shape[0]), (width, height))
    if (wide, high) == (width, height):
        return resize_picture(picture, width, height)
    left, top = (width - wide) // 2, (height - high) // 2
    boxed = np.zeros((height, width, *picture.shape[2:]), picture.dtype)
    boxed[top : top + high, left : left + wide] = resize_picture(picture, wide, high)
    return boxed
