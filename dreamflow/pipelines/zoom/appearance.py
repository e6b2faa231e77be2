"""The look of a picture, and keeping it: contrast at every scale, and colour.

A picture that is moved into, resampled and dreamed on again and again goes astray: it blurs or
sharpens, turns grey or garish. So each band of its detail is led back to the strength that it is
to have, and its colours to their mean and spread.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dreamflow.core.imaging.arrays import as_array, as_tensor
from dreamflow.core.imaging.pyramid import join_bands, split_bands

MIN_COLOUR_VARIANCE = 1e-6
"""Colours that vary less are taken to vary this much: a grey picture has no colour to stretch."""
MAX_BAND_GAIN = 1.25
"""Largest factor of a band."""


@dataclass(frozen=True)
class AppearanceStats:
    """How a picture looks.

    contrast: root mean square of each band, fine to coarse, and last of what is left below them,
    about its mean. mean: float64 (3,), RGB in [0, 1]. covariance: float64 (3, 3).
    """

    band_rms: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray

    @classmethod
    def of(cls, image: np.ndarray, margin: int = 0) -> AppearanceStats:
        """Return the look of a float32 (H, W, 3) image, RGB in [0, 1], within its margin."""
        *fine, rest = [as_array(b) for b in split_bands(as_tensor(image))]
        parts = [*fine, rest - rest.mean((0, 1))]
        contrast = [rms_inside_margin(part, margin >> number) for number, part in enumerate(parts)]
        mean, covariance = measure_colour(image, margin)
        return cls(np.array(contrast), mean, covariance)

    def interpolate(self, other: AppearanceStats, share: float) -> AppearanceStats:
        """Return the look a share of the way to another."""
        return AppearanceStats(
            self.band_rms + share * (other.band_rms - self.band_rms),
            self.mean + share * (other.mean - self.mean),
            self.covariance + share * (other.covariance - self.covariance),
        )


def crop_margin(image: np.ndarray, margin: int) -> np.ndarray:
    """Return an image without its margin, in pixels."""
    height, width = image.shape[:2]
    return image[margin : height - margin, margin : width - margin]


def rms_inside_margin(band: np.ndarray, margin: int) -> float:
    """Return the root mean square of a band within its margin."""
    return max(float(np.sqrt(np.square(crop_margin(band, margin)).mean())), 1e-9)


def measure_colour(image: np.ndarray, margin: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean (3,) and the covariance (3, 3), never singular, within a margin."""
    seen = crop_margin(image, margin).reshape(-1, 3)
    spread = np.cov(seen, rowvar=False, dtype=np.float64) + MIN_COLOUR_VARIANCE * np.eye(3)
    return seen.mean(0, np.float64), spread


def match_appearance(
    image: np.ndarray, target: AppearanceStats, firmness: float, margin: int = 0
) -> np.ndarray:
    """Return a float32 (H, W, 3) image a part of the way nearer to a look.

    firmness: 0 changes nothing; 1 goes all the way, but no band's gain goes beyond 1.25 or below
    its inverse. margin: pixels at the sides that are changed alike, but not looked at. Values may
    leave [0, 1] by a little.
    """
    if firmness == 0:
        return image
    *fine, rest = [as_array(b) for b in split_bands(as_tensor(image))]
    mean = rest.mean((0, 1))
    parts = [*fine, rest - mean]
    for number, (part, wanted) in enumerate(zip(parts, target.band_rms, strict=True)):
        gain = (wanted / rms_inside_margin(part, margin >> number)) ** firmness
        parts[number] = part * np.float32(min(max(gain, 1 / MAX_BAND_GAIN), MAX_BAND_GAIN))
    parts[-1] = parts[-1] + mean
    return match_colour(
        as_array(join_bands([as_tensor(part) for part in parts])), target, firmness, margin
    )


def match_colour(
    image: np.ndarray, target: AppearanceStats, firmness: float, margin: int
) -> np.ndarray:
    """Return an image whose colours are nearer to the mean and the covariance of a look.

    By the linear map that does it with the least change: Pitie and Kokaram 2007, "The linear
    Monge-Kantorovitch linear colour mapping for example-based colour transfer".
    """
    mean, spread = measure_colour(image, margin)
    root = symmetric_matrix_power(spread, 0.5)
    inverse = np.linalg.inv(root)
    whole = inverse @ symmetric_matrix_power(root @ target.covariance @ root, 0.5) @ inverse
    part = (1 - firmness) * np.eye(3) + firmness * whole
    goal = mean + firmness * (target.mean - mean)
    moved = image.reshape(-1, 3) @ part.astype(np.float32) + (goal - mean @ part).astype(np.float32)
    return moved.reshape(image.shape)


def symmetric_matrix_power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    """Return a power of a symmetric positive (3, 3) matrix."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.maximum(values, 0.0) ** exponent) @ vectors.T
