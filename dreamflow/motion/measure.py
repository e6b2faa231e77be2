"""Figures of coherence: the warping error of Lai et al. 2018."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dreamflow.motion.flow import dis_flow, to_gray
from dreamflow.motion.trust import consistent, positions
from dreamflow.opencv import cv2

BOUNDARY_RELATIVE = 0.01
BOUNDARY_ABSOLUTE_PX2 = 0.002


def motion_boundaries(flow: np.ndarray) -> np.ndarray:
    """Return bool (H, W): where a flow (H, W, 2) jumps, |grad F|^2 > 0.01 |F|^2 + 0.002."""
    dy, dx = np.gradient(flow, axis=(0, 1))
    steepness = np.square(dx).sum(axis=-1) + np.square(dy).sum(axis=-1)
    size = np.square(flow).sum(axis=-1)
    return steepness > BOUNDARY_RELATIVE * size + BOUNDARY_ABSOLUTE_PX2


def warp_error(sources: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> float:
    """Return E_warp of a clip, after `evaluate_WarpError` of Lai et al. 2018.

    sources, outputs: uint8 (H, W, 3) RGB frames, pair by pair. The mean over pairs of the mean
    squared difference, RGB in [0, 1], between each output frame and the one before it warped
    onto it, where the *source's* flow is neither occluded nor at a motion boundary.
    """
    errors: list[float] = []
    grays = [to_gray(picture) for picture in sources]
    for before, here, output_before, output_here in zip(
        grays, grays[1:], outputs, outputs[1:], strict=False
    ):
        backward, forward = dis_flow(here, before), dis_flow(before, here)
        mask = consistent(backward, forward) & ~motion_boundaries(backward)
        x, y = positions(backward)
        warped = cv2.remap(output_before.astype(np.float32), x, y, cv2.INTER_LINEAR)
        squared = np.square((output_here.astype(np.float32) - warped) / 255).mean(axis=-1)
        if mask.any():
            errors.append(float(squared[mask].mean()))
    return float(np.mean(errors)) if errors else 0.0
