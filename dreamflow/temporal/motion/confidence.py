"""How far optical flow may be believed, found on the host where flow is estimated."""

from __future__ import annotations

import numpy as np

from dreamflow.core.imaging.positions import inside_frame, pixel_grid
from dreamflow.core.opencv import cv2
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.flow.flow_pair import FlowPair

RELATIVE_TOLERANCE = 0.01
ABSOLUTE_TOLERANCE_PX = 0.5**0.5
"""Forward-backward check of Ruder, Dosovitskiy and Brox 2016, equation 5 (after Sundaram 2010)."""


def flow_positions(flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where each pixel of a flow (H, W, 2) points to: float32 x (H, W) and y (H, W)."""
    x, y = pixel_grid(*flow.shape[:2])
    return x + flow[..., 0], y + flow[..., 1]


def squared_length(vectors: np.ndarray) -> np.ndarray:
    """Return the squared length of vectors (H, W, 2): (H, W).

    NumPy's sum over an axis of two takes ten times as long.
    """
    return np.square(vectors[..., 0]) + np.square(vectors[..., 1])


def sample_linear(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return an array (H, W) or (H, W, C) at positions x, y; outside of it its edge is repeated."""
    return cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def check_consistency(
    flow: FlowPair,
    relative: float = RELATIVE_TOLERANCE,
    absolute_px: float = ABSOLUTE_TOLERANCE_PX,
) -> np.ndarray:
    """Return where backward flow stays in the frame and forward flow leads back: bool (H, W).

    True where |b + f(x + b)|^2 <= relative * (|b|^2 + |f|^2) + absolute_px^2.
    """
    x, y = flow_positions(flow.backward)
    returned = sample_linear(flow.forward, x, y)
    error = squared_length(flow.backward + returned)
    size = squared_length(flow.backward) + squared_length(returned)
    return inside_frame(x, y) & (error <= relative * size + absolute_px**2)


def forward_backward_confidence(flow: FlowPair, gains: Gains) -> np.ndarray:
    """Return the confidence in a backward flow: float32 (H, W), 0 where occluded, to 1."""
    longer = max(flow.backward.shape[:2])
    tolerance_px = gains.flow_absolute_tolerance * longer
    consistent = check_consistency(flow, gains.flow_relative_tolerance, tolerance_px)
    believed = consistent.astype(np.float32)
    return np.minimum(believed, cv2.GaussianBlur(believed, (0, 0), gains.confidence_blur * longer))


def photometric_consistency(
    before: np.ndarray,
    here: np.ndarray,
    backward: np.ndarray,
    tolerance: float | np.ndarray,
    gains: Gains,
) -> np.ndarray:
    """Return where a frame looks like the previous one along the flow: float32 (H, W) in [0, 1].

    On snow, sky or blurred ground the two flows disagree, since nothing there tells one place from
    another; but what is carried there lies as well as anywhere.

    Args:
        before: The previous frame, uint8 (H, W, 3).
        here: The current frame, alike.
        backward: float32 (H, W, 2).
        tolerance: Levels, a number or float32 (H, W): 1 where the blurred difference is smaller,
            falling to 0 at twice that.
        gains: The constants.
    """
    x, y = flow_positions(backward)
    blur_px = gains.photometric_blur * max(here.shape[:2])
    difference = cv2.absdiff(sample_linear(before, x, y), here)
    difference = cv2.GaussianBlur(difference, (0, 0), blur_px)
    difference = np.maximum(
        np.maximum(*np.moveaxis(difference[..., :2], -1, 0)), difference[..., 2]
    )
    close = np.clip(2 - difference / np.asarray(tolerance, np.float32), 0, 1)
    return close.astype(np.float32) * inside_frame(x, y)


def uncompressed_mask(backward: np.ndarray, gains: Gains) -> np.ndarray:
    """Return where a backward flow does not draw the previous frame out: float32 (H, W) in [0, 1].

    Behind what moves slowly, flow changes gradually from one motion to the other, and both flows
    agree; but frame after frame would draw the same few pixels out there, to streaks. So the mask
    is 0 where a pixel comes from less than `compressed_area` of a pixel's area, and 1 from
    `uncompressed_area` on; a zoom stays above that.
    """
    if min(backward.shape[:2]) < 2:
        return np.ones(backward.shape[:2], np.float32)
    blur_px = gains.compression_blur * max(backward.shape[:2])
    flow = cv2.GaussianBlur(backward, (0, 0), blur_px)
    (xy, xx), (yy, yx) = np.gradient(flow[..., 0]), np.gradient(flow[..., 1])
    area = (1 + xx) * (1 + yy) - xy * yx
    width = gains.uncompressed_area - gains.compressed_area
    return np.clip((area - gains.compressed_area) / width, 0, 1).astype(np.float32)
