"""A camera that moves over a picture: nearer, turning, and to the side.

A point of the picture is a complex number, x + iy in pixels, and a movement of the camera is
`turn * point + shift`: where a point of the view after it lies in the view before it.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass

import numpy as np

from dreamflow.core.opencv import cv2


@dataclass(frozen=True)
class SimilarityTransform:
    """A movement: the point that is at `p` after it was at `turn * p + shift` before it."""

    scale_rotation: complex = 1
    translation: complex = 0

    def __call__(self, point: complex) -> complex:
        """Return where a point of the view after was in the view before."""
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
        """Return this movement of a frame for pictures in which the frame has these corners."""
        return SimilarityTransform(
            self.scale_rotation,
            origin_before + self.translation - self.scale_rotation * origin_after,
        )


def make_camera_transform(
    seconds: float, speed: float, rotation: float, centre: complex, drift: complex = 0
) -> SimilarityTransform:
    """Return the movement of a camera in some seconds, all of it at once and evenly.

    speed: by how much the picture grows in a second, 1 is not at all. rotation: degrees a second
    that it turns clockwise. centre: what it grows and turns about. drift: pixels a second that the
    camera goes to the right, and (imaginary) down. A movement of a + b seconds is one of a, then b.
    """
    rate = seconds * complex(-math.log(speed), -math.radians(rotation))
    turn = cmath.exp(rate)
    # The integral of exp(rate * s) over s from 0 to 1: what a drift comes to while it grows.
    spread = (turn - 1) / rate if abs(rate) > 1e-9 else 1 + rate / 2
    return SimilarityTransform(turn, centre - turn * centre + drift * seconds * spread)


def transform_pixel_grid(
    transform: SimilarityTransform, width: int, height: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return where each pixel of a view lies in the picture: float64 x and y, (height, width)."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    turn, shift = transform.scale_rotation, transform.translation
    return turn.real * x - turn.imag * y + shift.real, turn.imag * x + turn.real * y + shift.imag


def warp_view(
    picture: np.ndarray, transform: SimilarityTransform, width: int, height: int, wrap: bool = False
) -> np.ndarray:
    """Return what a camera sees of a float32 (H, W) or (H, W, C) picture: (height, width[, C]).

    move: where a point of the view lies in the picture. Lanczos, 8x8. What lies outside is mirrored
    or, `round_about`, comes from the other side, as if the picture were on a ring. Where the view
    takes in much more than a pixel for each of its own, the picture is made smaller first.
    """
    while abs(transform.scale_rotation) >= 2 and min(picture.shape[:2]) > 2:
        picture = cv2.pyrDown(picture)
        transform = SimilarityTransform(transform.scale_rotation / 2, transform.translation / 2)
    x, y = transform_pixel_grid(transform, width, height)
    return cv2.remap(
        picture,
        x.astype(np.float32),
        y.astype(np.float32),
        cv2.INTER_LANCZOS4,
        borderMode=cv2.BORDER_WRAP if wrap else cv2.BORDER_REFLECT_101,
    )
