"""The energy of a residual by bands of detail and by areas of the frame, and its equalisation.

What is carried fades: it decays, each warp softens it, and it is lost where the flow cannot be
believed. More steps would make up for that, but they flicker, take time, and let the dream grow
without end. So each band of the residual is pulled towards the energy that it has in a fresh dream,
and its mean colour likewise.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dreamflow.core.imaging.arrays import image_size
from dreamflow.core.imaging.filters import (
    gaussian_blur,
    grid_size,
    pyramid_down,
    pyramid_up,
    resize_area,
)
from dreamflow.core.imaging.masks import apply_mask
from dreamflow.core.imaging.pyramid import split_bands
from dreamflow.temporal.control.gains import Gains

MIN_RMS = 1e-9
"""Amplitude below which a band is taken to be empty, in units of full scale."""


@dataclass(frozen=True)
class BandEnergies:
    """How strong a residual is by bands, each a float32 tensor on the compute device.

    Attributes:
        lines: (), root mean square of the finest lines, those that a warp softens.
        bands: (n,), root mean square of each band, fine to coarse, and of what is left below.
        mean: (3,), mean of red, green and blue.
    """

    lines: Tensor
    bands: Tensor
    mean: Tensor

    def approach(self, target: BandEnergies, share: float) -> BandEnergies:
        """Return the energies a share of the way to others."""
        return BandEnergies(
            torch.lerp(self.lines, target.lines, share),
            torch.lerp(self.bands, target.bands, share),
            torch.lerp(self.mean, target.mean, share),
        )


def root_mean_square(band: Tensor, weight: Tensor | None = None) -> Tensor:
    """Return the root mean square of a band (1, C, H, W), (); weight: (1, 1, H, W), None for 1."""
    if weight is None:
        return band.square().mean().sqrt()
    squared = band.square().mean(1, keepdim=True)
    total = weight.sum()
    weighted = (squared * weight).sum() / total.clamp_min(1e-12)
    return torch.where(total > 0, weighted, squared.mean()).sqrt()


def finest_lines(band: Tensor, gains: Gains) -> Tensor:
    """Return what is finest in the finest band, (1, 3, H, W)."""
    return band - gaussian_blur(band, gains.line_blur)


def measure_bands(residual: Tensor, gains: Gains) -> BandEnergies:
    """Return the energies of a residual float32 (1, 3, H, W), in its own units."""
    mean = residual.mean((2, 3), keepdim=True)
    bands = split_bands(residual - mean)
    sizes = torch.stack([root_mean_square(band) for band in bands])
    return BandEnergies(root_mean_square(finest_lines(bands[0], gains)), sizes, mean.flatten())


def measure_energy(residual: Tensor, gains: Gains) -> Tensor:
    """Return the energy of a residual (1, 3, H, W) by areas: float32 (1, 1, h, w).

    It is the mean square of the dream's forms: of all but the finest band, and of the mean colour.
    Where a dream fades its forms go first, and the fine lines that the objective rewards stay.
    Blurred over neighbouring areas, so that none is empty for being small.
    """
    height, width = residual.shape[2:]
    forms = pyramid_down(residual - residual.mean((2, 3), keepdim=True))
    size = grid_size(height, width, gains.area * max(height, width))
    size = min(size[0], forms.shape[2]), min(size[1], forms.shape[3])
    squared = forms.square().mean(1, keepdim=True)
    return gaussian_blur(resize_area(squared, size), gains.area_blur)


def equalise_bands(
    residual: Tensor,
    setpoint: BandEnergies,
    coverage: Tensor,
    firmness: float,
    max_gain: Tensor | float,
    frames: float,
    gains: Gains,
) -> Tensor:
    """Pull the bands of a residual towards the setpoint.

    Each band is multiplied by (setpoint / rms) ** share, share = min(1, band_pull * firmness), but
    by no more than `max_gain` and no less than the inverse of `Gains.max_band_gain`; the finest
    band with `finest_band_pull`, and its lines once more by themselves. The mean colour goes the
    same share of the way.

    Args:
        residual: float32 (1, 3, H, W), in units of full scale.
        setpoint: Energies to approach.
        coverage: (1, 1, H, W) in [0, 1]. The finest band is measured and changed with the weight
            coverage ** 2, so that the fine detail which large steps leave in new areas may fade.
        firmness: From 0, which changes nothing, to 1.
        max_gain: Largest factor of a band in a frame; a () or a number.
        frames: Duration of the frame, in frames of `gains.REFERENCE_S`.
        gains: The constants.

    Returns:
        float32 (1, 3, H, W).
    """
    mean = residual.mean((2, 3), keepdim=True)
    bands = split_bands(residual - mean)
    weight = coverage.square()
    smallest = gains.max_band_gain**-frames
    result: Tensor | None = None
    for number in reversed(range(len(bands))):
        band, finest = bands[number], number == 0
        pull = gains.finest_band_pull if finest else gains.band_pull
        share = over_frames(min(1.0, pull * firmness), frames)
        largest = max_gain * (gains.finest_band_excess**frames if finest else 1.0)
        rms = root_mean_square(band, weight if finest else None).clamp_min(MIN_RMS)
        factor = ((setpoint.bands[number] / rms) ** share).clamp_min(smallest).clamp_max(largest)
        if finest and len(bands) > 1:
            band = apply_mask(band, 1 + (factor - 1) * weight)
        else:
            band = band * factor
        if finest:
            band = _match_lines(band, setpoint.lines, share, weight, frames, gains)
        result = band if result is None else pyramid_up(result, image_size(band)) + band
    assert result is not None
    share = over_frames(min(1.0, gains.band_pull * firmness), frames)
    pulled = torch.lerp(mean.flatten(), setpoint.mean, share)
    return result + pulled.view(1, 3, 1, 1)


def _match_lines(
    band: Tensor, setpoint: Tensor, share: float, weight: Tensor, frames: float, gains: Gains
) -> Tensor:
    """Return the finest band with its lines nearer to the setpoint."""
    lines = finest_lines(band, gains)
    largest = gains.max_line_gain**frames
    factor = (setpoint / root_mean_square(lines, weight).clamp_min(MIN_RMS)) ** share
    change = (factor.clamp(1 / largest, largest) - 1) * weight
    return band + apply_mask(lines, change)


def over_frames(share: float, frames: float) -> float:
    """Return the share of a way that is covered in some frames, `share` of what is left in each."""
    return 1 - (1 - share) ** frames
