"""Dense optical flow between two source frames, by one of several estimators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dreamflow.core.opencv import cv2
from dreamflow.temporal.confidence import flow_trust

SMALLEST_SIDE_PX = 16
"""DIS fails below its patch pyramid's size; smaller frames are padded to this."""
LARGEST_SIDE_PX = 960
"""Larger frames are looked at in this size, and their flow is scaled up. On seven clips DIS took
0.2 (1080p) to 0.65 (720p) of its time so, for frames that it matched 3 to 11% less closely."""

Flows = tuple[np.ndarray, np.ndarray]
"""(backward, forward) of two frames, each float32 (H, W, 2), (dx, dy) in pixels. Backward lives on
the later frame and points into the earlier one, forward the other way round."""
Estimator = Callable[[np.ndarray, np.ndarray], Flows]
"""Gives the flows between two frames, the earlier first, each uint8 (H, W, 3) RGB of one size."""
OneWay = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Gives the flow from the first to the second picture, both uint8 (H, W) grey."""


@dataclass(frozen=True)
class Motion:
    """The motion between the previous frame and the current one, of (H, W) pixels each.

    backward: float32 (H, W, 2), (dx, dy) in pixels; it lives on the current frame and points into
    the previous one; forward is the flow the other way. trust: float32 (H, W) in [0, 1], 0 where
    the scene was hidden, or outside of the previous frame. found: backward as it was estimated,
    where it has been changed since (`dreamflow.motion.mended`); else None.
    """

    backward: np.ndarray
    forward: np.ndarray
    trust: np.ndarray
    found: np.ndarray | None = None

    @classmethod
    def of(cls, backward: np.ndarray, forward: np.ndarray) -> Motion:
        """Return the motion of two flows, trusted where they agree."""
        return cls(backward, forward, flow_trust(backward, forward))

    @classmethod
    def none(cls, height: int, width: int) -> Motion:
        """Return the motion between two frames that are the same."""
        still = np.zeros((height, width, 2), np.float32)
        return cls.of(still, still)


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


def farneback_flow(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return the flow from `here` to `there`, both uint8 (H, W): float32 (H, W, 2), (dx, dy).

    Polynomial expansion (Farneback 2003): smoother than DIS, and blurred at the borders of what
    moves. Windows of 15 pixels on five sizes, as OpenCV's own sample has them.
    """
    blank = np.zeros((*here.shape, 2), np.float32)
    return cv2.calcOpticalFlowFarneback(here, there, blank, 0.5, 5, 15, 3, 5, 1.2, 0)


def looked_at(picture: np.ndarray) -> np.ndarray:
    """Return a uint8 picture in the size that flow is estimated at: LARGEST_SIDE_PX at most."""
    height, width = picture.shape[:2]
    scale = LARGEST_SIDE_PX / max(height, width)
    if scale >= 1:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def scaled(flow: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return a flow float32 (h, w, 2) for frames of another size: both its size and its values."""
    from_height, from_width = flow.shape[:2]
    if (from_height, from_width) == (height, width):
        return flow
    large = cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR)
    return large * np.array([width / from_width, height / from_height], np.float32)


def both_ways(one_way: OneWay) -> Estimator:
    """Return the estimator that looks for the flow in grey, forth and back."""

    def estimate(before: np.ndarray, here: np.ndarray) -> Flows:
        height, width = here.shape[:2]
        first, second = (to_gray(looked_at(picture)) for picture in (before, here))
        backward, forward = one_way(second, first), one_way(first, second)
        return scaled(backward, height, width), scaled(forward, height, width)

    return estimate


dis = both_ways(dis_flow)
farneback = both_ways(farneback_flow)


def estimate_motion(before: np.ndarray, here: np.ndarray, estimator: Estimator = dis) -> Motion:
    """Return the motion between two frames, each uint8 (H, W, 3) RGB and of the same size."""
    return Motion.of(*estimator(before, here))
