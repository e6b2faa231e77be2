"""Carrying the dream (not the picture) from frame to frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dreamflow.motion.flow import Motion
from dreamflow.motion.trust import positions
from dreamflow.opencv import cv2


def warp(picture: np.ndarray, backward: np.ndarray) -> np.ndarray:
    """Return the previous frame's float32 (H, W) or (H, W, C) picture as the current frame sees it.

    backward: float32 (H, W, 2). Bicubic; what comes from outside the frame repeats its edge.
    """
    x, y = positions(backward)
    return cv2.remap(picture, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)


@dataclass(frozen=True)
class Carried:
    """What goes from one frame to the next.

    residual: float32 (H, W, 3), dream minus source in units of 1, never re-quantised. settled:
    float32 (H, W) in [0, 1], how far the dream has grown there: 0 where the scene has just come
    into view, 1 where it has been seen for long.
    """

    residual: np.ndarray
    settled: np.ndarray

    def along(self, motion: Motion, decay: float) -> Carried:
        """Return what the current frame starts with: decay * trust * the warped residual."""
        residual = warp(self.residual, motion.backward) * (decay * motion.trust)[..., None]
        settled = np.clip(warp(self.settled, motion.backward), 0, 1) * motion.trust
        return Carried(residual, settled)
