"""The closure of a looped zoom: its end dissolves into the lead-in that its beginning came from.

The lead-in is a zoom of the same camera, over the last seconds of the loop, that reaches the first
state at the last tick. It fills the whole view at each tick, so the loop runs into it as one film
into another: nothing has to grow out of a border. The dissolve is hidden by its order: it begins
where the camera is heading, spreads outwards, and at each place waits as long as the forms that are
there are stronger than those to come.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dreamflow.core.imaging.filters import gaussian_blur, pyramid_down
from dreamflow.core.imaging.pyramid import join_bands, split_bands
from dreamflow.core.imaging.warp import pixel_positions
from dreamflow.pipelines.zoom.camera_path import CameraPath

DISSOLVE_SHARE = 0.9
"""Share of the lead-in over which the loop dissolves into it. In the rest both are the same, so
that the join is a step like any other."""
FADE_SHARE = 0.5
"""Part of the dissolve that it takes at a single place, relative to the spread of their delays."""
RADIUS_SHARE = 0.5
"""Share of the distance from the zoom's centre in a place's delay; its forms have the rest."""
FORM_SIZE_SHARE = 0.03
"""Standard deviation of the blurs that tell forms from ground, as a share of the longer side."""
CONTRAST_SIGMA_PX = 4.0
"""Standard deviation of the blur of a band's local contrast, in pixels of the band."""
MAX_CONTRAST_GAIN = 1.5
"""Largest factor that restores the contrast of two mixed images."""
MIN_FORM_STRENGTH = 1e-4
"""Local variance that is added to that of an image, in units of full scale squared: where neither
image has a form, neither is stronger."""
MIN_BAND_ENERGY = 1e-9
"""Mean square below which a band is taken to be empty, in units of full scale squared."""


class LoopClosure:
    """Dissolves the states of a looped zoom into those of its lead-in.

    Attributes:
        ticks: Ticks of the dissolve. The state of the last is that of the lead-in.
    """

    def __init__(self, path: CameraPath) -> None:
        """Plan the dissolve.

        Args:
            path: Path of the camera, with the ticks of its lead-in.
        """
        self._path = path
        first = path.ticks - path.lead_in_ticks + 1
        self.ticks = range(first, first + max(1, round(DISSOLVE_SHARE * path.lead_in_ticks)))

    def _progress(self, tick: int) -> float:
        """Return the share of the dissolve that has passed after a tick."""
        return (tick - self.ticks[0] + 1) / len(self.ticks)

    def dissolve(self, state: Tensor, lead_in: Tensor, tick: int) -> Tensor:
        """Return a state after its step towards the lead-in.

        A place's weight of the lead-in over the dissolve is w = smoothstep((progress * (1 + fade) -
        delay) / fade). A tick goes the share 1 - (1 - w) / (1 - w_before) of what is left. It does
        so band by band, with a softer border in coarser bands, and gives back the contrast
        that two unlike images lose when they are mixed.

        Args:
            state: float32 (1, 3, H, W) in [0, 1], the state of the tick, dreamed on from the last.
            lead_in: float32 (1, 3, H, W) in [0, 1], the lead-in's state of the tick.
            tick: Number of the tick.

        Returns:
            float32 (1, 3, H, W) in [0, 1].
        """
        delay = self._delays(state, lead_in, tick)
        before, after = (
            smoothstep((self._progress(number) * (1 + FADE_SHARE) - delay) / FADE_SHARE)
            for number in (tick - 1, tick)
        )
        share = 1 - (1 - after) / (1 - before).clamp_min(torch.finfo(state.dtype).eps)
        *bands, rest = split_bands(state)
        *lead_in_bands, lead_in_rest = split_bands(lead_in)
        mixed: list[Tensor] = []
        for band, lead_in_band in zip(bands, lead_in_bands, strict=True):
            mixed.append(mix_bands(band, lead_in_band, share))
            share = pyramid_down(share)
        mixed.append(rest + share * (lead_in_rest - rest))
        return join_bands(mixed).clamp(0, 1)

    def _delays(self, state: Tensor, lead_in: Tensor, tick: int) -> Tensor:
        """Return when each place dissolves, from 0 for first to 1 for last: (1, 1, H, W)."""
        height, width = state.shape[2:]
        centre = self._path.centre(tick)
        x, y = torch.split(pixel_positions(height, width, state.device), 1, 1)
        reach = max(
            abs(complex(corner_x, corner_y) - centre)
            for corner_x in (0, width)
            for corner_y in (0, height)
        )
        radius = torch.hypot(x - centre.real, y - centre.imag) / reach
        sigma_px = FORM_SIZE_SHARE * max(height, width)
        strength, lead_in_strength = (
            measure_form_strength(image, sigma_px) for image in (state, lead_in)
        )
        persistence = strength / (strength + lead_in_strength)
        return RADIUS_SHARE * radius + (1 - RADIUS_SHARE) * persistence


def measure_form_strength(image: Tensor, sigma_px: float) -> Tensor:
    """Return the local variance of an image (1, 3, H, W), which is above 0: (1, 1, H, W)."""
    detail = (image - gaussian_blur(image, sigma_px)).square().mean(1, keepdim=True)
    return gaussian_blur(detail, sigma_px) + MIN_FORM_STRENGTH


def mix_bands(band: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """Return a share of the way from one band to another, with its energy in proportion.

    Args:
        band: float32 (1, C, H, W), a band of detail.
        other: float32 (1, C, H, W), the same band of another image.
        share: float32 (1, 1, H, W), 0 to 1.

    Returns:
        float32 (1, C, H, W). Where the two are unlike, their plain mean would be too soft.
    """
    mixed = band + share * (other - band)
    energy, other_energy, mixed_energy = (
        gaussian_blur(part.square().mean(1, keepdim=True), CONTRAST_SIGMA_PX)
        for part in (band, other, mixed)
    )
    wanted_energy = energy + share * (other_energy - energy)
    gain = (wanted_energy / mixed_energy.clamp_min(MIN_BAND_ENERGY)).sqrt()
    return mixed * gain.clamp(1, MAX_CONTRAST_GAIN)


def smoothstep(share: Tensor) -> Tensor:
    """Return 0 below 0, 1 above 1, and 3 x^2 - 2 x^3 between."""
    share = share.clamp(0, 1)
    return share * share * (3 - 2 * share)
