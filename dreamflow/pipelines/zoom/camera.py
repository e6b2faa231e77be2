"""A camera that moves over an image: nearer, turning, and to the side.

A point of the image is a complex number, x + iy in pixels. A movement of the camera maps each point
of the view after it to where that point lay in the view before it.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from dreamflow.core.imaging.arrays import precise_dtype
from dreamflow.core.imaging.filters import pyramid_down
from dreamflow.core.imaging.warp import Border, sample

MIN_RATE = 1e-9
"""Below this |log(speed) + i rotation| over a movement, the drift integral takes its series."""


@dataclass(frozen=True)
class SimilarityTransform:
    """A movement of the camera: p -> scale_rotation * p + translation.

    Attributes:
        scale_rotation: Factor of scale and rotation; below 1 in size where the camera comes nearer.
        translation: Shift in pixels, x + iy.
    """

    scale_rotation: complex = 1
    translation: complex = 0

    def __call__(self, point: complex) -> complex:
        """Return where a point of the view after the movement lay in the view before it."""
        return self.scale_rotation * point + self.translation

    def then(self, later: SimilarityTransform) -> SimilarityTransform:
        """Return this movement and a later one as a single one."""
        return SimilarityTransform(
            self.scale_rotation * later.scale_rotation, self(later.translation)
        )

    def inverse(self) -> SimilarityTransform:
        """Return the movement that undoes this one."""
        return SimilarityTransform(1 / self.scale_rotation, -self.translation / self.scale_rotation)

    def with_origins(self, origin_before: complex, origin_after: complex) -> SimilarityTransform:
        """Return this movement of a frame as one between images that hold the frame.

        Args:
            origin_before: Where the frame's first pixel lies in the image before, in pixels.
            origin_after: The same in the image after.
        """
        return SimilarityTransform(
            self.scale_rotation,
            origin_before + self.translation - self.scale_rotation * origin_after,
        )


def make_camera_transform(
    seconds: float, speed: float, rotation: float, centre: complex, drift: complex = 0
) -> SimilarityTransform:
    """Return the movement of a camera at constant speed; one of a + b seconds is one of a, then b.

    Args:
        seconds: Duration of the movement.
        speed: Factor by which the image grows in a second; 1 is not at all.
        rotation: Degrees a second that the image turns clockwise.
        centre: Point that the image grows and turns about, in pixels.
        drift: Pixels a second that the camera moves to the right and (imaginary part) down.
    """
    rate = seconds * complex(-math.log(speed), -math.radians(rotation))
    turn = cmath.exp(rate)
    # The integral of exp(rate * s) over s from 0 to 1: the drift is scaled while it happens.
    spread = (turn - 1) / rate if abs(rate) > MIN_RATE else 1 + rate / 2
    return SimilarityTransform(turn, centre - turn * centre + drift * seconds * spread)


def transform_pixel_grid(
    transform: SimilarityTransform, width: int, height: int, device: torch.device
) -> Tensor:
    """Return where each pixel of a view lies in the image: (1, 2, height, width), x then y.

    In the device's widest float, since the pixels of a whole zoom are transformed at once.
    """
    dtype = precise_dtype(device)
    x = torch.arange(width, dtype=dtype, device=device).view(1, -1)
    y = torch.arange(height, dtype=dtype, device=device).view(-1, 1)
    turn, shift = transform.scale_rotation, transform.translation
    across = turn.real * x - turn.imag * y + shift.real
    down = turn.imag * x + turn.real * y + shift.imag
    return torch.stack([across, down])[None]


def warp_view(
    image: Tensor,
    transform: SimilarityTransform,
    width: int,
    height: int,
    border: Border = "mirror",
) -> Tensor:
    """Return what a camera sees of an image, sampled with an 8x8 Lanczos kernel.

    Where the view takes in much more than a pixel for each of its own, the image is first made
    smaller, by steps of two.

    Args:
        image: float32 (1, C, H, W).
        transform: Maps points of the view to points of the image, in pixels.
        width: Width of the view in pixels.
        height: Height of the view in pixels.
        border: What lies beyond the image's edges; see `dreamflow.core.imaging.warp`.

    Returns:
        float32 (1, C, height, width).
    """
    while abs(transform.scale_rotation) >= 2 and min(image.shape[2:]) > 2:
        image = pyramid_down(image)
        transform = SimilarityTransform(transform.scale_rotation / 2, transform.translation / 2)
    positions = transform_pixel_grid(transform, width, height, image.device)
    return sample(image, positions.float(), "lanczos", border)
