"""Keeping a carried dream as strong, as sharp and as bright as it began.

What is carried fades: it decays, is warped, and is lost where the flow cannot be trusted. More
steps would make up for it, but they flicker, take time, and let the dream grow without end. So each
band of detail of the residual is brought a part of the way back to the strength that it had in the
first frame of the shot, and its mean colour likewise.
"""

from __future__ import annotations

import math

import numpy as np

from dreamflow.core.opencv import cv2

BANDS = 4
"""Bands of a Laplacian pyramid (Burt and Adelson 1983), each an octave, and what is left below."""
SMALLEST_PX = 8
LARGEST_GAIN = 1.25
FINEST, OTHERS = 4.0, 2.0
"""How much more firmly the finest band and the others are held than the mean colour: each warp
softens, the finest most."""
SOFTENED = 1.02
"""It may also be given back so much more than the others, for what the warp took."""
LINES_PX = 0.6
"""Standard deviation of the blur that takes the finest lines from the finest band: of them a warp
takes most, and they are what sharpness is."""
LARGEST_LINES = 1.05
"""What they are multiplied by at most, beside their band."""
AREA_PX = 24
"""How large the areas of a frame are, about, of which it is asked how strong the dream is there."""


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
    """Return what a float32 (H, W, 3) residual is held by, in its own units.

    The root mean square of its finest lines, of each band, fine to coarse, and of what is left
    below them but for its mean; then the mean of red, green and blue.
    """
    mean = residual.mean(axis=(0, 1))
    found = bands(residual - mean)
    sizes = (rms(part) for part in (finest_lines(found[0]), *found))
    return (*sizes, *(float(part) for part in mean))


def finest_lines(band: np.ndarray) -> np.ndarray:
    """Return what is finest in the finest band, float32 (H, W, 3)."""
    return band - cv2.GaussianBlur(band, (0, 0), LINES_PX)


def by_area(residual: np.ndarray) -> np.ndarray:
    """Return how strong a residual (H, W, 3) is where: float32 (h, w), a value for each area.

    The mean square of its forms: all but its finest band, and its mean colour. Where a dream fades
    they go first, and the fine lines that the objective rewards stay. Smoothed, so that no area is
    0 for being small.
    """
    height, width = residual.shape[:2]
    squared = np.square(cv2.pyrDown(residual - residual.mean(axis=(0, 1)))).mean(axis=-1)
    size = max(2, round(width / AREA_PX)), max(2, round(height / AREA_PX))
    return cv2.GaussianBlur(cv2.resize(squared, size, interpolation=cv2.INTER_AREA), (0, 0), 1.0)


def over_frame(areas: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return values by areas, float32 (h, w), for each pixel of a frame: (height, width)."""
    return cv2.resize(areas, (width, height), interpolation=cv2.INTER_LINEAR)


def rms(band: np.ndarray, weight: np.ndarray | None = None) -> float:
    """Return the root mean square of a band (H, W, 3); weight: float32 (H, W), None is even."""
    squared = np.square(band).mean(axis=-1)
    whole = 0.0 if weight is None else float(weight.sum())
    mean = float((squared * weight).sum()) / whole if whole else float(squared.mean())
    return math.sqrt(mean)


def _sharpened(
    band: np.ndarray, wanted: float, share: float, weight: np.ndarray | None
) -> np.ndarray:
    """Return the finest band with its finest lines nearer to the strength wanted; see `held`."""
    lines = finest_lines(band)
    gain = (wanted / max(rms(lines, weight), 1e-9)) ** share
    more = min(max(gain, 1 / LARGEST_LINES), LARGEST_LINES) - 1
    return band + lines * (np.float32(more) if weight is None else (more * weight)[..., None])


def held(
    residual: np.ndarray,
    wanted: tuple[float, ...],
    firmness: float,
    most: float = LARGEST_GAIN,
    grown: np.ndarray | None = None,
) -> np.ndarray:
    """Return a residual (H, W, 3) that is nearer to the strength wanted.

    Each band is multiplied by (wanted / its strength) ** (2 * firmness), from 1 / 1.25 to `most`,
    the finest more firmly and a little further, its finest lines once more by themselves; the mean
    colour goes a share `firmness` of the way. 0 changes nothing, 1 brings all of it back at once.
    grown: float32 (H, W) in [0, 1], 0 where the scene is new; the finest band is looked at and held
    by its square, so that what large steps have just left in new areas may go.
    """
    if firmness == 0:
        return residual
    lines, *sizes, red, green, blue = wanted
    mean = residual.mean(axis=(0, 1))
    found = bands(residual - mean)
    weight = None if grown is None else np.square(grown)
    result = np.zeros_like(found[-1])
    for number, (band, target) in reversed(list(enumerate(zip(found, sizes, strict=True)))):
        now = max(rms(band, None if number else weight), 1e-9)
        share = min(1.0, (OTHERS if number else FINEST) * firmness)
        largest = most if number else most * SOFTENED
        gain = min(max((target / now) ** share, 1 / LARGEST_GAIN), largest)
        field = np.float32(gain)
        if number == 0 and weight is not None and len(found) > 1:
            field = (1 + (field - 1) * weight)[..., None]
        band = band * field
        if number == 0:
            band = _sharpened(band, lines, share, weight)
        result = band + (_up(result, band) if number + 1 < len(found) else 0)
    return result + (mean + firmness * (np.array([red, green, blue], np.float32) - mean)).astype(
        np.float32
    )
