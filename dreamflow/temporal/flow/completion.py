"""Motion where the flow does not know it: as that around, where the picture agrees."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dreamflow.core.frames import Frame
from dreamflow.core.opencv import cv2
from dreamflow.temporal.confidence import ALIKE_LEVELS, alike, in_frame, positions, whole
from dreamflow.temporal.flow.estimators import Motion, looked_at, scaled

FITS_LEVELS = 10.0
"""As `ALIKE_LEVELS`, for motion that was passed on: on snow that rushes by, the right motion and a
wrong one are equally far off, but only one of them is the same from frame to frame."""
ISLAND_PX = 9
"""Where the flows agree on less than this by chance, nothing is passed on from there."""
BORDER_PX = 4.0
SMALLEST_PX = 8


def filled(flow: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return a flow float32 (H, W, 2), passed on smoothly from where it is known to where not.

    known: float32 (H, W) in [0, 1], 0 where nothing is; somewhere there must be more. Pull-push
    (Gortler et al. 1996, "The Lumigraph"): averages of what is known, at half the size again and
    again, fill what the finer sizes lack.
    """
    sums, weight = flow * known[..., None], known
    finer: list[tuple[np.ndarray, np.ndarray]] = []
    while min(weight.shape) > SMALLEST_PX:
        finer.append((sums, weight))
        sums, weight = cv2.pyrDown(sums), cv2.pyrDown(weight)
    mean = sums.sum(axis=(0, 1)) / weight.sum()
    result = _over(np.broadcast_to(mean, sums.shape).astype(np.float32), sums, weight)
    for sums, weight in reversed(finer):
        height, width = weight.shape
        result = _over(cv2.pyrUp(result, dstsize=(width, height)), sums, weight)
    return result


def _over(below: np.ndarray, sums: np.ndarray, weight: np.ndarray) -> np.ndarray:
    share = np.clip(weight, 0, 1)[..., None]
    return below + share * (sums / np.maximum(weight, 1e-6)[..., None] - below)


def mended(motion: Motion, before: Frame, here: Frame) -> Motion:
    """Return a motion along which a dream can be carried, and how much of it where, as its trust.

    before, here: the frames it is between. Where nothing tells one place from another, as on snow,
    flow is made up, and changes from frame to frame: it tears what is carried. There the motion
    around it is taken, if the picture is much the same along it. Then what looks alike along the
    motion is trusted as well (`alike`), and nothing where it would be drawn out to streaks
    (`whole`). Large frames are looked at in the size that flow is estimated at.
    """
    first, second = looked_at(before.picture), looked_at(here.picture)
    (height, width), size = here.picture.shape[:2], second.shape[:2]
    backward = scaled(motion.backward, *size)
    trust = cv2.resize(motion.trust, size[::-1], interpolation=cv2.INTER_AREA)
    change, levels = taken(backward, trust * whole(backward), first, second)
    changed = backward + change
    near = alike(first, second, changed, levels)
    kept = np.maximum(trust, near) * whole(changed)
    kept = cv2.resize(kept, (width, height), interpolation=cv2.INTER_LINEAR)
    full = motion.backward + scaled(change, height, width)
    return replace(
        motion,
        backward=full,
        # Scaled up, the change of flow that is not known, and points far out, is not all there is
        # to it at its border.
        trust=kept * in_frame(*positions(full)),
        found=motion.backward,
    )


def taken(
    backward: np.ndarray, trust: np.ndarray, before: np.ndarray, here: np.ndarray
) -> tuple[np.ndarray, np.ndarray | float]:
    """Return by how much a backward flow is changed to the motion around: float32 (H, W, 2).

    trust: in the flow, float32 (H, W). before, here: uint8 (H, W, 3). Beside it the levels by which
    the frames may differ along it, float32 (H, W) or one number (see `alike`).
    """
    window = np.ones((ISLAND_PX, ISLAND_PX), np.uint8)
    known = cv2.erode(trust, window)
    if known.max() == 0 or known.min() == 1:
        return np.zeros_like(backward), ALIKE_LEVELS
    around = filled(backward, known)
    lost = 1 - cv2.dilate(known, window)
    share = cv2.GaussianBlur(lost * alike(before, here, around, FITS_LEVELS), (0, 0), BORDER_PX)
    share = np.minimum(1.5 * share, 1) * (1 - trust)
    levels = ALIKE_LEVELS + share * np.float32(FITS_LEVELS - ALIKE_LEVELS)
    return share[..., None] * (around - backward), levels
