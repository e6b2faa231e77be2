"""Dense optical flow between two source frames, by one of several estimators."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np

from dreamflow.core.opencv import cv2
from dreamflow.temporal.flow.flow_pair import FlowPair

MIN_DIS_SIDE_PX = 16
"""DIS fails on frames smaller than its patch pyramid; they are padded to this side."""
MAX_FLOW_SIDE_PX = 960
"""Longer side at which flow is estimated. On seven clips DIS took 0.2 (1080p) to 0.65 (720p) of its
time so, for frames that it matched 3 to 11% less closely."""

FlowEstimator = Callable[[np.ndarray, np.ndarray], FlowPair]
"""Estimates flow between two frames, the earlier first, each uint8 (H, W, 3) RGB of one size."""
OneWayEstimator = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""Estimates flow from the first to the second frame, both uint8 (H, W) grey: float32 (H, W, 2)."""


def to_gray(picture: np.ndarray) -> np.ndarray:
    """Return the uint8 (H, W) luma of a uint8 (H, W, 3) RGB picture."""
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)


def dis_flow(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return the flow from one grey frame to another, uint8 (H, W): float32 (H, W, 2), (dx, dy).

    Dense inverse search (Kroeger et al. 2016), OpenCV's medium preset.
    """
    height, width = here.shape
    pad_y, pad_x = max(0, MIN_DIS_SIDE_PX - height), max(0, MIN_DIS_SIDE_PX - width)
    if pad_x or pad_y:
        here, there = (
            cv2.copyMakeBorder(p, 0, pad_y, 0, pad_x, cv2.BORDER_REPLICATE) for p in (here, there)
        )
    # OpenCV's type stubs lack this function.
    estimator = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # type: ignore
    flow = cast(np.ndarray, estimator.calc(here, there, None))
    return np.ascontiguousarray(flow[:height, :width])


def farneback_flow(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return the flow from one grey frame to another, uint8 (H, W): float32 (H, W, 2), (dx, dy).

    Polynomial expansion (Farneback 2003): smoother than DIS, and blurred at the borders of what
    moves. Windows of 15 pixels on five sizes, as OpenCV's own sample has them.
    """
    blank = np.zeros((*here.shape, 2), np.float32)
    return cv2.calcOpticalFlowFarneback(here, there, blank, 0.5, 5, 15, 3, 5, 1.2, 0)


def reduced_size(height: int, width: int) -> tuple[int, int]:
    """Return the (height, width) that flow is estimated at, for frames of a size in pixels."""
    scale = min(1.0, MAX_FLOW_SIDE_PX / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def reduce_for_flow(picture: np.ndarray) -> np.ndarray:
    """Return a uint8 picture in the size that flow is estimated at."""
    size = reduced_size(*picture.shape[:2])
    if size == picture.shape[:2]:
        return picture
    return cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA)


def resize_flow(flow: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return a flow float32 (h, w, 2) for frames of another size: its size and its values."""
    from_height, from_width = flow.shape[:2]
    if (from_height, from_width) == (height, width):
        return flow
    large = cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR)
    return large * np.array([width / from_width, height / from_height], np.float32)


def both_ways(one_way: OneWayEstimator) -> FlowEstimator:
    """Return the estimator that finds flow in grey, forwards and backwards."""

    def estimate(before: np.ndarray, here: np.ndarray) -> FlowPair:
        first, second = (to_gray(reduce_for_flow(picture)) for picture in (before, here))
        return FlowPair(one_way(second, first), one_way(first, second))

    return estimate


estimate_dis = both_ways(dis_flow)
estimate_farneback = both_ways(farneback_flow)
