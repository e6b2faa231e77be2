"""Rotation and scaling of images about their centre, at random or by a given factor."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamflow.core.keyed_random import keyed_uniform_pair

BILINEAR_SHARE = 1 / 3
"""Weight of bilinear sampling in `magnify`: `cubic + BILINEAR_SHARE * (linear - cubic)`. PyTorch's
bicubic sampling amplifies waves of seven pixels by up to 3%; repeated, they would cover everything.
This share cancels the gain."""


@dataclass(frozen=True)
class RandomAffineSampler:
    """Draws random rotations and scales.

    Attributes:
        max_degrees: Largest rotation to either side.
        max_scale: Largest factor of size; its inverse is the smallest.
    """

    max_degrees: float
    max_scale: float

    def sample(self, key: tuple[int, ...]) -> RandomAffine:
        """Return the transform of a step, a pure function of the key."""
        rotation, scaling = keyed_uniform_pair(*key)
        return RandomAffine(math.radians(self.max_degrees * rotation), self.max_scale**scaling)


@dataclass(frozen=True)
class RandomAffine:
    """A rotation and a scaling about the centre.

    Attributes:
        angle: Radians, clockwise.
        scale: Factor of size.
    """

    angle: float
    scale: float

    def apply(self, image: Tensor) -> Tensor:
        """Return an image (1, C, H, W) transformed; beyond its border it is mirrored."""
        return resample_affine(image, self.angle, self.scale, "reflection")

    def inverse(self, gradient: Tensor) -> Tensor:
        """Return the gradient of a transformed image (1, C, H, W) as one of the image itself.

        It is zero where the image was out of view.
        """
        return resample_affine(gradient, -self.angle, 1 / self.scale, "zeros")


def magnify(image: Tensor, scale: float) -> Tensor:
    """Return an image (1, C, H, W) scaled about its centre, with zeros around a smaller one."""
    cubic = resample_affine(image, 0.0, scale, "zeros", "bicubic")
    linear = resample_affine(image, 0.0, scale, "zeros", "bilinear")
    return cubic + BILINEAR_SHARE * (linear - cubic)


def resample_affine(
    image: Tensor, angle: float, scale: float, padding_mode: str, mode: str = "bilinear"
) -> Tensor:
    """Return an image rotated and scaled about its centre.

    Args:
        image: (1, C, H, W) float32.
        angle: Radians, clockwise.
        scale: Factor of size.
        padding_mode: What lies beyond the border: "zeros" or "reflection".
        mode: "bilinear" or "bicubic".

    Returns:
        (1, C, H, W) float32.
    """
    height, width = image.shape[2:]
    cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
    # affine_grid's coordinates run from -1 to 1 along each side, hence the aspect ratio.
    rows = [[cos, sin * height / width, 0.0], [-sin * width / height, cos, 0.0]]
    matrix = torch.tensor([rows], dtype=image.dtype, device=image.device)
    grid = F.affine_grid(matrix, [1, 1, height, width], align_corners=False)
    return F.grid_sample(image, grid, mode, padding_mode, align_corners=False)
