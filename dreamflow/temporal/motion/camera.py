"""The camera's motion between two frames: one affine motion of all that does not move by itself."""

from __future__ import annotations

from typing import Any

import numpy as np

from dreamflow.core.imaging.positions import pixel_grid
from dreamflow.core.opencv import cv2

GRID_STEP_PX = 8
"""Distance of the pixels whose flow the camera's motion is fitted to."""
INLIER_PX = 1.0
"""A pixel moves with the camera where its flow differs by less."""
REFINEMENTS = 3
CLOSEST_SHARE, MIN_ERROR_PX = 0.4, 0.02
"""The motion is refined on this share of the positions, those that it fits best, and on all that it
fits this well."""


def fit_camera(flow: np.ndarray) -> np.ndarray:
    """Return the affine motion that most of a flow agrees with: float64 (2, 3).

    It maps a position (x, y, 1) on this frame to one on the other: RANSAC on a grid of pixels.

    Args:
        flow: float32 (H, W, 2), (dx, dy) in pixels.
    """
    height, width = flow.shape[:2]
    step = max(1, min(GRID_STEP_PX, height // 4, width // 4))
    y, x = np.mgrid[step // 2 : height : step, step // 2 : width : step]
    here = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)
    there = here + flow[y.ravel(), x.ravel()]
    if len(here) < 3 or not np.isfinite(there).all():
        return np.eye(2, 3)
    # OpenCV's type stubs do not say that it is None where no motion fits.
    camera: Any = cv2.estimateAffine2D(
        here, there, method=cv2.RANSAC, ransacReprojThreshold=INLIER_PX
    )[0]
    return np.eye(2, 3) if camera is None else refine_camera(camera, here, there)


def refine_camera(camera: np.ndarray, here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return the least-squares motion of the positions that agree best with another, (2, 3).

    Beside a mover, flow changes gradually from its motion to the camera's, and some of it is within
    a pixel of the camera's. Fitted too, it would change the motion a little, which adds up over a
    second.

    Args:
        camera: The motion to begin with.
        here: float32 (n, 2), positions (x, y).
        there: The same positions on the other frame.
    """
    positions = np.column_stack([here, np.ones(len(here))]).astype(np.float64)
    for _ in range(REFINEMENTS):
        errors = np.linalg.norm(positions @ camera.T - there, axis=1)
        closest = errors <= max(np.quantile(errors, CLOSEST_SHARE), MIN_ERROR_PX)
        camera = np.linalg.lstsq(positions[closest], there[closest], rcond=None)[0].T
    return camera


def transform_positions(
    camera: np.ndarray, height: int, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return where an affine motion takes each pixel of a frame: float32 x (H, W) and y (H, W)."""
    x, y = pixel_grid(height, width)
    (a, b, c), (d, e, f) = camera.astype(np.float32)
    return a * x + b * y + c, d * x + e * y + f


def positions_to_flow(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the flow from each pixel to a position x, y, each (H, W): float32 (H, W, 2)."""
    own_x, own_y = pixel_grid(*x.shape)
    return np.stack([x - own_x, y - own_y], axis=-1)
