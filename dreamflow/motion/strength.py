"""Keeping a carried dream as strong, and as sharp, as it began.

What is carried fades: it decays, is warped, and is lost where the flow cannot be trusted. More
steps would make up for it, but they flicker and take time. So each band of detail of the residual
is brought a part of the way back to the strength that it had in the first frame of the shot.
"""

from __future__ import annotations

import numpy as np

from dreamflow.opencv import cv2

BANDS = 4
"""Bands of a Laplacian pyramid (Burt and Adelson 1983), each an octave; what is left below them,
the mean colours, is let be."""
SMALLEST_PX = 8
LARGEST_GAIN = 1.25


def bands(residual: np.ndarray) -> list[np.ndarray]:
    """Return a float32 (H, W, 3) residual's bands, fine to coarse, and last what is left."""
    found: list[np.ndarray] = []
    for _ in range(BANDS):
        if min(residual.shape[:2]) < SMALLEST_PX:
            break
        small = cv2.pyrDown(residual)
        found.append(residual - _up(small, residual))
        residual = small
    return [*found, residual]


def _up(small: np.ndarray, like: np.ndarray) -> np.ndarray:
    return cv2.pyrUp(small, dstsize=(like.shape[1], like.shape[0]))


def joined(parts: list[np.ndarray]) -> np.ndarray:
    """Return the picture of these bands, fine to coarse, and last what is left: as `bands` made."""
    result = parts[-1]
    for band in reversed(parts[:-1]):
        result = _up(result, band) + band
    return result


def strength(residual: np.ndarray) -> tuple[float, ...]:
    """Return the root mean square of each band but what is left below."""
    return tuple(float(np.sqrt(np.square(band).mean())) for band in bands(residual)[:-1])


def held(
    residual: np.ndarray, wanted: tuple[float, ...], firmness: float, lower: bool = False
) -> np.ndarray:
    """Return a residual whose bands are nearer to the strength wanted.

    Each band that is weaker is multiplied by (wanted / its strength) ** firmness, at most by 1.25;
    one that is stronger is let be, unless `lower` is asked for. firmness: 0 changes nothing, 1
    brings all of it back at once.
    """
    if firmness == 0:
        return residual
    found = bands(residual)
    result, least = found[-1], 1 / LARGEST_GAIN if lower else 1.0
    for band, target in reversed(list(zip(found[:-1], wanted, strict=True))):
        now = max(float(np.sqrt(np.square(band).mean())), 1e-9)
        gain = min(max((target / now) ** firmness, least), LARGEST_GAIN)
        result = _up(result, band) + band * np.float32(gain)
    return result
