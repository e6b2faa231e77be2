"""Carrying the dream (not the picture) from frame to frame."""

from __future__ import annotations

import numpy as np

from dreamflow.motion.flow import Motion
from dreamflow.motion.trust import positions
from dreamflow.opencv import cv2


def warp(picture: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """Return the previous frame's float32 (H, W, C) picture as the current frame sees it.

    backward: float32 (H, W, 2). Bicubic; what comes from outside the frame repeats its edge.
    """
    x, y = positions(backward)
    return cv2.remap(picture, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


def carry_residual(residual: np.ndarray, motion: Motion, decay: float) -> np.ndarray:
    """Return what the current frame starts with: decay * trust * the warped residual.

    residual: float32 (H, W, 3), dream minus source of the previous frame, never re-quantised.
    """
    return warp(residual, motion.backward) * (decay * motion.trust)[..., None]
