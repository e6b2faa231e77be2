"""Soft edges of a matte: a Gaussian blur of a width in percent of the picture."""

from __future__ import annotations

import numpy as np

from dreamflow.core.opencv import cv2
from dreamflow.media.resize import resize_picture

SIGMAS_PER_10_90_EDGE = 2.5631
"""Standard deviations over which a blurred step rises from 10% to 90%: twice the 0.9 quantile of
the normal distribution."""
REDUCED_BLUR_SIGMA_PX = 6
"""Standard deviation, in pixels, that is blurred at full size; for a wider blur the matte is
reduced to where it is this wide, which loses nothing visible."""


def feather_sigma_px(feather_percent: float, width: int, height: int) -> float:
    """Return the standard deviation, in pixels, of a soft edge of a width in percent."""
    return feather_percent / 100 * max(width, height) / SIGMAS_PER_10_90_EDGE


def feather_edges(matte: np.ndarray, feather_percent: float) -> np.ndarray:
    """Blur the edges of a matte.

    Args:
        matte: (H, W) float32 in [0, 1].
        feather_percent: Width over which an edge rises from 10% to 90%, in percent of the longer
            side. 0 returns the matte itself.

    Returns:
        (H, W) float32 in [0, 1]. Values farther from an edge than four standard deviations stay.
    """
    high, wide = matte.shape
    sigma = feather_sigma_px(feather_percent, wide, high)
    if sigma == 0:
        return matte
    scale = max(1, int(sigma / REDUCED_BLUR_SIGMA_PX))
    small = resize_picture(matte, max(1, round(wide / scale)), max(1, round(high / scale)))
    across, down = sigma * small.shape[1] / wide, sigma * small.shape[0] / high
    blurred = cv2.GaussianBlur(small, (0, 0), across, sigmaY=down, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(blurred, (wide, high), interpolation=cv2.INTER_LINEAR).clip(0, 1)
