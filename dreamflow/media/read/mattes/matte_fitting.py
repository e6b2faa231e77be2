"""Fitting a matte to a frame: its aspect ratio checked, its grey resized and scaled to [0, 1]."""

from __future__ import annotations

import numpy as np

from dreamflow.core.errors import SettingsError
from dreamflow.media.resize import resize_picture

RGB_TO_LUMA_WEIGHTS = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Weights of R, G and B in luma (ITU-R BT.709, 3.2)."""


def matte_grey(picture: np.ndarray) -> np.ndarray:
    """Return the luma of a picture (H, W, 3), as (H, W) in its own units; uint8 stays uint8.

    Grey pictures (H, W) are returned as they are.
    """
    if picture.ndim == 2:
        return picture
    luma = picture.astype(np.float32) @ RGB_TO_LUMA_WEIGHTS
    return np.rint(luma).astype(np.uint8) if picture.dtype == np.uint8 else luma


def fit_matte(grey: np.ndarray, width: int, height: int) -> np.ndarray:
    """Resize a matte to the size of a frame and scale it to [0, 1].

    Args:
        grey: (H, W): uint8 from 0 to 255, or float32 from 0 to 1.
        width: Of the frame, in pixels.
        height: Of the frame, in pixels.

    Returns:
        (height, width) float32 in [0, 1].
    """
    resized = resize_picture(grey, width, height)
    if resized.dtype == np.uint8:
        return resized.astype(np.float32) / 255
    return resized.clip(0, 1)


def fit_matte_array(matte: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return an array given as a matte, checked and fitted to a frame.

    Args:
        matte: (H, W) or (H, W, 3): uint8 from 0 to 255, bool, or floats from 0 to 1. NaN is 0.
        width: Of the frame, in pixels.
        height: Of the frame, in pixels.

    Returns:
        (height, width) float32 in [0, 1].

    Raises:
        SettingsError: The array has another type or shape, or another aspect ratio than the frame.
    """
    has_known_type = matte.dtype == np.uint8 or matte.dtype.kind in "bf"
    has_known_shape = matte.ndim == 2 or (matte.ndim == 3 and matte.shape[2] == 3)
    if not has_known_type or not has_known_shape:
        allowed = "(height, width) or (height, width, 3), uint8 from 0 to 255, bool, or floats"
        raise SettingsError(
            f"a matte is {allowed} from 0 to 1; this one is {matte.dtype} {matte.shape}",
            setting="matte",
            value=f"{matte.dtype} {matte.shape}",
            allowed=f"{allowed} from 0 to 1",
        )
    high, wide = matte.shape[:2]
    if not is_same_aspect((wide, high), (width, height)):
        raise SettingsError(
            f"the matte is {wide}x{high}, the frame {width}x{height}: another shape; crop the "
            "matte, or pad it with black",
            setting="matte",
            value=f"{wide}x{high}",
            allowed=f"the aspect ratio of {width}x{height}",
        )
    if matte.dtype != np.uint8:
        matte = np.nan_to_num(matte.astype(np.float32))
    return fit_matte(matte_grey(matte), width, height)


def is_same_aspect(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Return whether two (width, height) have one aspect ratio, up to a pixel of the smaller."""
    return abs(one[0] * other[1] - one[1] * other[0]) <= max(sum(one), sum(other))
