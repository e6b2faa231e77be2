"""Pictures turned and scaled about their middle, at random or by a given factor."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamflow.dream.chance import chance

LINEAR = 1 / 3
"""PyTorch's bicubic sampling makes waves of seven pixels up to 3% stronger each time. Done over and
over they would drown all else, so as much of linear sampling is mixed in as takes that away."""


@dataclass(frozen=True)
class Turning:
    """A random turn, at most `degrees` either way, and a random scale, at most `scale` times
    larger or smaller; as a picture is shifted at random before each step."""

    degrees: float
    scale: float

    def drawn(self, key: tuple[int, ...]) -> Turn:
        """Return the turn of a step; a pure function of the key."""
        turned, scaled = chance(*key)
        return Turn(math.radians(self.degrees * turned), self.scale**scaled)


@dataclass(frozen=True)
class Turn:
    """A turn by an angle in radians, clockwise, and a factor of size."""

    angle: float
    scale: float

    def there(self, image: Tensor) -> Tensor:
        """Return (1, C, H, W) turned; what comes from beyond the border is mirrored."""
        return sampled(image, self.angle, self.scale, "reflection")

    def back(self, gradient: Tensor) -> Tensor:
        """Return a gradient of the turned picture as one of the picture: turned back.

        What was out of sight has none.
        """
        return sampled(gradient, -self.angle, 1 / self.scale, "zeros")


def magnified(image: Tensor, scale: float) -> Tensor:
    """Return (1, C, H, W) enlarged about its middle; around one made smaller there is nothing."""
    cubic, linear = (sampled(image, 0.0, scale, "zeros", how) for how in ("bicubic", "bilinear"))
    return cubic + LINEAR * (linear - cubic)


def sampled(
    image: Tensor, angle: float, scale: float, beyond: str, mode: str = "bilinear"
) -> Tensor:
    """Return (1, C, H, W) turned clockwise by an angle and enlarged by a factor."""
    height, width = image.shape[2:]
    cos, sin = math.cos(angle) / scale, math.sin(angle) / scale
    # grid_sample counts from -1 to 1 along each side, so the aspect comes in.
    rows = [[cos, sin * height / width, 0.0], [-sin * width / height, cos, 0.0]]
    matrix = torch.tensor([rows], dtype=image.dtype, device=image.device)
    grid = F.affine_grid(matrix, [1, 1, height, width], align_corners=False)
    return F.grid_sample(image, grid, mode, beyond, align_corners=False)
