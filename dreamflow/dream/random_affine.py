"""Pictures turned and scaled about their middle, at random or by a given factor."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamflow.core.keyed_random import keyed_uniform_pair

BILINEAR_SHARE = 1 / 3
"""PyTorch's bicubic sampling makes waves of seven pixels up to 3% stronger each time. Done over and
over they would drown all else, so as much of linear sampling is mixed in as takes that away."""


@dataclass(frozen=True)
class RandomAffineSampler:
    """A random turn, at most `degrees` either way, and a random scale, at most `scale` times
    larger or smaller; as a picture is shifted at random before each step."""

    max_degrees: float
    max_scale: float

    def sample(self, key: tuple[int, ...]) -> RandomAffine:
        """Return the turn of a step; a pure function of the key."""
        turned, scaled = keyed_uniform_pair(*key)
        return RandomAffine(math.radians(self.max_degrees * turned), self.max_scale**scaled)


@dataclass(frozen=True)
class RandomAffine:
    """A turn by an angle in radians, clockwise, and a factor of size."""

    angle: float
    scale: float

    def apply(self, image: Tensor) -> Tensor:
        """Return (1, C, H, W) turned; what comes from beyond the border is mirrored."""
        return resample_affine(image, self.angle, self.scale, "reflection")

    def inverse(self, gradient: Tensor) -> Tensor:
        """Return a gradient of the turned picture as one of the picture: turned back.

        What was out of sight has none.
        """
        return resample_affine(gradient, -self.angle, 1 / self.scale, "zeros")


def magnify(image: Tensor, scale: float) -> Tensor:
    """Return (1, C, H, W) enlarged about its middle; around one made smaller there is nothing."""
    cubic, linear = (
        resample_affine(image, 0.0, scale, "zeros", how) for how in ("bicubic", "bilinear")
    )
    return cubic + BILINEAR_SHARE * (linear - cubic)


def resample_affine(
    image: Tensor, angle: float, scale: float, padding_mode: str, mode: str = "bilinear"
) -> Tensor:
    """Return (1, C, H, W) turned clockwise by an angle and enlarged by a factor."""
    height, width = image.shape[2:]
    cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
    # grid_sample counts from -1 to 1 along each side, so the aspect comes in.
    rows = [[cos, sin * height / width, 0.0], [-sin * width / height, cos, 0.0]]
    matrix = torch.tensor([rows], dtype=image.dtype, device=image.device)
    grid = F.affine_grid(matrix, [1, 1, height, width], align_corners=False)
    return F.grid_sample(image, grid, mode, padding_mode, align_corners=False)
