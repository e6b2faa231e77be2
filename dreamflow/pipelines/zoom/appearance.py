"""The appearance of an image, and keeping it: contrast at every scale, and colour.

An image that is zoomed, resampled and dreamed on again and again drifts: it blurs or sharpens,
turns grey or garish. So at each tick every band of its detail is pulled towards a target contrast,
and its colours towards a target mean and covariance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from dreamflow.core.imaging.arrays import precise_dtype
from dreamflow.core.imaging.pyramid import join_bands, split_bands

MIN_COLOUR_VARIANCE = 1e-6
"""Added to each channel's variance, RGB in [0, 1]: a grey image has no colour to stretch."""
MAX_BAND_GAIN = 1.25
"""Largest factor of a band at a tick; its inverse is the smallest."""
MIN_BAND_RMS = 1e-9
"""Amplitude below which a band is taken to be empty, in units of full scale."""


@dataclass(frozen=True)
class AppearanceStats:
    """What an image looks like, as tensors on its device.

    Attributes:
        band_rms: (n,), root mean square of each band, fine to coarse, and last of what is left
            below them, less its mean.
        mean: (3,), mean of red, green and blue in [0, 1].
        covariance: (3, 3), covariance of red, green and blue.
    """

    band_rms: Tensor
    mean: Tensor
    covariance: Tensor

    @classmethod
    def measure(cls, image: Tensor, margin_px: int = 0) -> AppearanceStats:
        """Return the appearance of an image float32 (1, 3, H, W) in [0, 1], without its margin."""
        *bands, rest = split_bands(image)
        parts = [*bands, rest - rest.mean((2, 3), keepdim=True)]
        band_rms = [rms_inside_margin(part, margin_px >> k) for k, part in enumerate(parts)]
        return cls(torch.stack(band_rms), *measure_colour(image, margin_px))

    def interpolate(self, other: AppearanceStats, share: float) -> AppearanceStats:
        """Return the appearance a share of the way to another."""
        return AppearanceStats(
            self.band_rms + share * (other.band_rms - self.band_rms),
            self.mean + share * (other.mean - self.mean),
            self.covariance + share * (other.covariance - self.covariance),
        )


def crop_margin(image: Tensor, margin_px: int) -> Tensor:
    """Return an image (1, C, H, W) without its margin."""
    height, width = image.shape[2:]
    return image[..., margin_px : height - margin_px, margin_px : width - margin_px]


def rms_inside_margin(band: Tensor, margin_px: int) -> Tensor:
    """Return the root mean square of a band (1, C, H, W) within its margin: a () tensor."""
    return crop_margin(band, margin_px).square().mean().sqrt().clamp_min(MIN_BAND_RMS)


def measure_colour(image: Tensor, margin_px: int) -> tuple[Tensor, Tensor]:
    """Return the mean (3,) and the covariance (3, 3), never singular, of an image (1, 3, H, W)."""
    pixels = crop_margin(image, margin_px)[0].flatten(1).to(precise_dtype(image.device))
    mean = pixels.mean(1)
    offsets = pixels - mean[:, None]
    # Not torch.cov, which waits for the device.
    covariance = offsets @ offsets.T / max(1, pixels.shape[1] - 1)
    return mean, covariance + MIN_COLOUR_VARIANCE * torch.eye(3).to(covariance)


def match_appearance(
    image: Tensor, target: AppearanceStats, firmness: float, margin_px: int = 0
) -> Tensor:
    """Pull an image towards an appearance.

    Each band is multiplied by (target rms / rms) ** firmness, within 1.25 and its inverse, and then
    the colours are mapped; see `match_colour`.

    Args:
        image: float32 (1, 3, H, W) in [0, 1].
        target: Appearance to approach.
        firmness: From 0, which changes nothing, to 1, which goes all the way.
        margin_px: Width of a margin that is changed alike but not measured.

    Returns:
        float32 (1, 3, H, W). Values may leave [0, 1] by a little.
    """
    if firmness == 0:
        return image
    *bands, rest = split_bands(image)
    mean = rest.mean((2, 3), keepdim=True)
    parts = [*bands, rest - mean]
    for number, part in enumerate(parts):
        rms = rms_inside_margin(part, margin_px >> number)
        gain = (target.band_rms[number] / rms) ** firmness
        parts[number] = part * gain.clamp(1 / MAX_BAND_GAIN, MAX_BAND_GAIN)
    parts[-1] = parts[-1] + mean
    return match_colour(join_bands(parts), target, firmness, margin_px)


def match_colour(
    image: Tensor, target: AppearanceStats, firmness: float, margin_px: int = 0
) -> Tensor:
    """Pull the colours of an image towards the mean and the covariance of an appearance.

    By the linear map that does it with the least change: Pitie and Kokaram 2007, "The linear
    Monge-Kantorovitch linear colour mapping for example-based colour transfer".

    Args:
        image: float32 (1, 3, H, W).
        target: Appearance to approach.
        firmness: Share of the way to go, from 0 to 1.
        margin_px: Width of a margin that is changed alike but not measured.

    Returns:
        float32 (1, 3, H, W).
    """
    mean, covariance = measure_colour(image, margin_px)
    root = symmetric_matrix_power(covariance, 0.5)
    inverse = symmetric_matrix_power(covariance, -0.5)
    whole = inverse @ symmetric_matrix_power(root @ target.covariance @ root, 0.5) @ inverse
    part = torch.lerp(torch.eye(3).to(whole), whole, firmness)
    goal = mean + firmness * (target.mean - mean)
    pixels = image[0].permute(1, 2, 0)
    moved = pixels.reshape(-1, 3) @ part.to(image.dtype) + (goal - mean @ part).to(image.dtype)
    return moved.view(pixels.shape).permute(2, 0, 1)[None]


def symmetric_matrix_power(matrix: Tensor, exponent: float) -> Tensor:
    """Return a power of a symmetric positive (3, 3) matrix."""
    # MPS has no eigenvalues; nine numbers go to the host and back there.
    solved_on = matrix.cpu() if matrix.device.type == "mps" else matrix
    values, vectors = cast("tuple[Tensor, Tensor]", torch.linalg.eigh(solved_on))
    powers = values.clamp_min(torch.finfo(values.dtype).tiny) ** exponent
    return ((vectors * powers) @ vectors.T).to(matrix.device)
