"""Where optical flow can be believed."""

from __future__ import annotations

import numpy as np

from dreamflow.core.opencv import cv2

RELATIVE_TOLERANCE = 0.01
ABSOLUTE_TOLERANCE_PX2 = 0.5
"""Forward/backward check of Ruder, Dosovitskiy and Brox 2016, equation 5 (after Sundaram 2010)."""
ALIKE_LEVELS = 5.0
ALIKE_BLUR_PX = 3.0
TORN_AREA, WHOLE_AREA = 0.65, 0.85
TORN_BLUR_PX = 1.5
SOFTNESS_PX = 1.5
"""Standard deviation of the blur that keeps the border of an untrusted area from showing."""


def positions(flow: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return where each pixel of a flow (H, W, 2) points to: float32 x (H, W) and y (H, W)."""
    height, width = flow.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    return x + flow[..., 0], y + flow[..., 1]


def in_frame(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return bool (H, W): which of the places x, y, each float32 (H, W), lie within the frame."""
    height, width = x.shape
    # Pixels are areas: the frame ends half a pixel beyond the centres of its outermost ones.
    return (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)


def consistent(backward: np.ndarray, forward: np.ndarray) -> np.ndarray:
    """Return bool (H, W): the backward flow stays in frame, and the forward flow leads back.

    Both flows are float32 (H, W, 2); backward lives on the current frame, forward on the previous.
    True where |b + f(x + b)|^2 <= 0.01 (|b|^2 + |f|^2) + 0.5 pixels^2.
    """
    x, y = positions(backward)
    returned = cv2.remap(forward, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    error = np.square(backward + returned).sum(axis=-1)
    size = np.square(backward).sum(axis=-1) + np.square(returned).sum(axis=-1)
    return in_frame(x, y) & (error <= RELATIVE_TOLERANCE * size + ABSOLUTE_TOLERANCE_PX2)


def flow_trust(backward: np.ndarray, forward: np.ndarray) -> np.ndarray:
    """Return the trust in a backward flow: float32 (H, W) in [0, 1], softened, 0 where occluded."""
    believed = consistent(backward, forward).astype(np.float32)
    softened = cv2.GaussianBlur(believed, (0, 0), SOFTNESS_PX)
    return np.minimum(believed, softened)


def alike(
    before: np.ndarray,
    here: np.ndarray,
    backward: np.ndarray,
    levels: float | np.ndarray = ALIKE_LEVELS,
) -> np.ndarray:
    """Return where a frame looks as the one before does along its flow: float32 (H, W) in [0, 1].

    before, here: uint8 (H, W, 3). On snow, sky or blurred ground the flows do not agree, since
    nothing there tells them apart; but what is carried there lies as well as anywhere. 1 where they
    differ by less than `levels`, one number or (H, W), on a blurred average, falling to 0 at twice
    that.
    """
    x, y = positions(backward)
    moved = cv2.remap(before, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    off = cv2.GaussianBlur(cv2.absdiff(moved, here), (0, 0), ALIKE_BLUR_PX).max(axis=-1)
    near = np.clip(2 - off / np.asarray(levels, np.float32), 0, 1)
    return near.astype(np.float32) * in_frame(x, y)


def whole(backward: np.ndarray) -> np.ndarray:
    """Return where a backward flow does not tear the frame before: float32 (H, W) in [0, 1].

    Behind what moves slowly, the flow passes evenly from one motion to the other, and forth and
    back agree; but each frame would draw out the same few pixels there, to streaks in the end. So
    it is 0 where a pixel comes from less than 0.65 of a pixel's area, and 1 from 0.85 on, which is
    more than a zoom takes in a frame. A single row or column is never torn.
    """
    if min(backward.shape[:2]) < 2:
        return np.ones(backward.shape[:2], np.float32)
    flow = cv2.GaussianBlur(backward, (0, 0), TORN_BLUR_PX)
    (xy, xx), (yy, yx) = np.gradient(flow[..., 0]), np.gradient(flow[..., 1])
    area = (1 + xx) * (1 + yy) - xy * yx
    return np.clip((area - TORN_AREA) / (WHOLE_AREA - TORN_AREA), 0, 1).astype(np.float32)
