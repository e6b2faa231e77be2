"""Flow completed where it is unknown: by the motion around, where the pictures agree with it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from dreamflow.core.imaging.arrays import as_tensor
from dreamflow.core.imaging.positions import inside_frame
from dreamflow.core.opencv import cv2
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.flow.estimators import reduce_for_flow, resize_flow
from dreamflow.temporal.flow.flow_pair import FlowPair
from dreamflow.temporal.motion.confidence import (
    flow_positions,
    forward_backward_confidence,
    photometric_consistency,
    uncompressed_mask,
)
from dreamflow.temporal.motion.crops import shares_by_block
from dreamflow.temporal.motion.motion import Motion
from dreamflow.temporal.motion.movers import find_movers

MIN_PYRAMID_SIDE_PX = 8


def pull_push(flow: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return a flow spread smoothly from where it is known to where it is not.

    Pull-push (Gortler et al. 1996, "The Lumigraph"): averages of what is known, at half the size
    again and again, fill what the finer sizes lack.

    Args:
        flow: float32 (H, W, 2).
        known: float32 (H, W) in [0, 1], its weight; not 0 everywhere.
    """
    sums, weight = flow * known[..., None], known
    finer: list[tuple[np.ndarray, np.ndarray]] = []
    while min(weight.shape) > MIN_PYRAMID_SIDE_PX:
        finer.append((sums, weight))
        sums, weight = cv2.pyrDown(sums), cv2.pyrDown(weight)
    mean = sums.sum(axis=(0, 1)) / weight.sum()
    result = _overlay(np.broadcast_to(mean, sums.shape).astype(np.float32), sums, weight)
    for sums, weight in reversed(finer):
        height, width = weight.shape
        result = _overlay(cv2.pyrUp(result, dstsize=(width, height)), sums, weight)
    return result


def _overlay(below: np.ndarray, sums: np.ndarray, weight: np.ndarray) -> np.ndarray:
    share = np.clip(weight, 0, 1)[..., None]
    return below + share * (sums / np.maximum(weight, 1e-6)[..., None] - below)


def complete_flow(flow: FlowPair, before: np.ndarray, here: np.ndarray, gains: Gains) -> Motion:
    """Return the motion along which a dream can be carried.

    Where nothing tells one place from another, as on snow, flow is arbitrary and changes from frame
    to frame: it tears what is carried. There the motion around is taken, if the pictures agree
    along it. The motion is then believed wherever the pictures agree along it, but nowhere that
    it would draw a dream out to streaks. Large frames are compared at the size of the flow.

    Args:
        flow: As it was estimated, of any size.
        before: The previous frame, uint8 (H, W, 3) RGB.
        here: The current frame, alike.
        gains: The constants.

    Returns:
        Motion on the CPU, of the size of the flow; see `Motion.to`.
    """
    first, second = reduce_for_flow(before), reduce_for_flow(here)
    size = second.shape[:2]
    small = FlowPair(resize_flow(flow.backward, *size), resize_flow(flow.forward, *size))
    # First of all, while nothing else takes memory beside it.
    movers = find_movers(small, first, second, gains).to_masks(here.shape[:2], gains)
    backward = small.backward
    confidence = forward_backward_confidence(flow, gains)
    height, width = confidence.shape
    reduced = cv2.resize(confidence, size[::-1], interpolation=cv2.INTER_AREA)
    known: np.ndarray = reduced * uncompressed_mask(backward, gains)
    delta, tolerance = flow_delta(backward, known, first, second, gains)
    completed = backward + delta
    alike = photometric_consistency(first, second, completed, tolerance, gains)
    believed: np.ndarray = np.maximum(reduced, alike) * uncompressed_mask(completed, gains)
    believed = cv2.resize(believed, (width, height), interpolation=cv2.INTER_LINEAR)
    full = flow.backward + resize_flow(delta, height, width)
    # Where flow pointed far out of the frame, a resized change does not bring its border back in.
    believed = believed * inside_frame(*flow_positions(full))
    motion = make_motion(full, believed, here.shape[0], here.shape[1], gains)
    return replace(motion, movers=movers)


def flow_delta(
    backward: np.ndarray, known: np.ndarray, before: np.ndarray, here: np.ndarray, gains: Gains
) -> tuple[np.ndarray, np.ndarray | float]:
    """Return by how much a backward flow changes to become the motion around.

    Args:
        backward: float32 (H, W, 2).
        known: Confidence in it, float32 (H, W).
        before: The previous frame, uint8 (H, W, 3).
        here: The current frame, alike.
        gains: The constants.

    Returns:
        (change, float32 (H, W, 2); levels by which the frames may differ along the completed flow,
        float32 (H, W) or a number).
    """
    longer = max(backward.shape[:2])
    side = 2 * round(gains.island * longer / 2) + 1
    window = np.ones((side, side), np.uint8)
    sure = cv2.erode(known, window)
    if sure.max() == 0 or sure.min() == 1:
        return np.zeros_like(backward), gains.photometric_tolerance
    around = pull_push(backward, sure)
    unknown: np.ndarray = 1 - cv2.dilate(sure, window)
    alike = photometric_consistency(before, here, around, gains.completed_tolerance, gains)
    share = cv2.GaussianBlur(unknown * alike, (0, 0), gains.completion_border * longer)
    share = np.minimum(1.5 * share, 1) * (1 - known)
    looser = np.float32(gains.completed_tolerance - gains.photometric_tolerance)
    return share[..., None] * (around - backward), gains.photometric_tolerance + share * looser


def make_motion(
    backward: np.ndarray, confidence: np.ndarray, height: int, width: int, gains: Gains
) -> Motion:
    """Return a motion of arrays, for frames of (height, width) pixels."""
    # With less confidence, even what has long been in view has less than `fill_below_coverage`.
    lost_below = 1 - (1 - gains.fill_below_coverage) ** (1 / gains.coverage_power)
    shares = shares_by_block((confidence < lost_below).astype(np.float32), height, width, gains)
    tensors = (
        as_tensor(np.ascontiguousarray(backward, np.float32)),
        torch.as_tensor(np.ascontiguousarray(confidence, np.float32))[None, None],
    )
    return Motion(*tensors, float(confidence.mean()), shares)


def still_motion(height: int, width: int, gains: Gains) -> Motion:
    """Return the motion between two frames that are the same, of (height, width) pixels."""
    still = np.zeros((height, width, 2), np.float32)
    return make_motion(still, np.ones((height, width), np.float32), height, width, gains)
