"""Dense optical flow between two source frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dreamflow.motion.trust import flow_trust
from dreamflow.opencv import cv2

SMALLEST_SIDE_PX = 16
"""DIS fails below its patch pyramid's size; smaller frames are padded to this."""


@dataclass(frozen=True)
class Motion:
    """The motion between the previous frame and the current one, of (H, W) pixels each.

    backward: float32 (H, W, 2), (dx, dy) in pixels; it lives on the current frame and points into
    the previous one. trust: float32 (H, W) in [0, 1], 0 where the scene was hidden, or outside of
    the previous frame.
    """

    backward: np.ndarray
    trust: np.ndarray


def to_gray(picture: np.ndarray) -> np.ndarray:
    """Return the uint8 (H, W) luma of a uint8 RGB (H, W, 3) picture."""
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)


def dis_flow(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return the flow from `here` to `there`, both uint8 (H, W): float32 (H, W, 2), (dx, dy).

    Dense inverse search (Kroeger et al. 2016), OpenCV's medium preset.
    """
    height, width = here.shape
    pad_y, pad_x = max(0, SMALLEST_SIDE_PX - height), max(0, SMALLEST_SIDE_PX - width)
    if pad_x or pad_y:
        here, there = (
            cv2.copyMakeBorder(p, 0, pad_y, 0, pad_x, cv2.BORDER_REPLICATE) for p in (here, there)
        )
    # OpenCV's type stubs lack this function.
    estimator = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # type: ignore
    flow = estimator.calc(here, there, None)
    return np.ascontiguousarray(flow[:height, :width])


def estimate_motion(previous: np.ndarray, current: np.ndarray) -> Motion:
    """Return the motion between two frames, each uint8 (H, W) grey and of the same size."""
    backward = dis_flow(current, previous)
    forward = dis_flow(previous, current)
    return Motion(backward, flow_trust(backward, forward))
