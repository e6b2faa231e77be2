"""What moves by itself in a pair of frames, found on the host where flow is estimated."""

from __future__ import annotations

import numpy as np
import torch

from dreamflow.core.imaging.arrays import as_tensor
from dreamflow.core.opencv import cv2
from dreamflow.temporal.camera import fit_camera, transform_positions
from dreamflow.temporal.confidence import photometric_consistency
from dreamflow.temporal.crops import shares_by_block
from dreamflow.temporal.gains import Gains
from dreamflow.temporal.motion import FlowPair, MoverMasks


def find_movers(
    flow: FlowPair,
    before: np.ndarray,
    here: np.ndarray,
    frame_size: tuple[int, int],
    gains: Gains,
) -> MoverMasks | None:
    """Return what moves by itself, or None where nothing does in either frame.

    Args:
        flow: Of two frames, both ways.
        before: The previous frame, uint8 (H, W, 3) RGB, in the size of the flow.
        here: The current frame, alike.
        frame_size: (height, width) of the frames that are dreamed, in pixels.
        gains: The constants.
    """
    on_here, camera = find_movers_one_way(flow.backward, here, before, gains)
    on_before, _ = find_movers_one_way(flow.forward, before, here, gains)
    if on_here.max() == 0 and on_before.max() == 0:
        return None
    masks = (torch.from_numpy(mask)[None, None] for mask in (on_here, on_before))
    shares = shares_by_block((on_here > 0.5).astype(np.float32), *frame_size, gains)
    return MoverMasks(*masks, as_tensor(camera), shares)


def find_movers_one_way(
    flow: np.ndarray, here: np.ndarray, there: np.ndarray, gains: Gains
) -> tuple[np.ndarray, np.ndarray]:
    """Return what moves against the camera: where its flow differs, and the pictures too.

    On sky, snow or water flow is arbitrary, and differs from the camera's where nothing moves; but
    there the camera's motion explains the picture as well.

    Args:
        flow: float32 (H, W, 2), (dx, dy) in pixels, from `here` to `there`.
        here: uint8 (H, W, 3).
        there: Alike.
        gains: The constants.

    Returns:
        (float32 (H, W) in [0, 1], 1 where something moves; the camera's flow, float32 (H, W, 2)).
    """
    height, width = flow.shape[:2]
    longer = max(height, width)
    x, y = transform_positions(fit_camera(flow), height, width)
    own_y, own_x = np.mgrid[0:height, 0:width].astype(np.float32)
    camera = np.ascontiguousarray(np.stack([x - own_x, y - own_y], axis=-1))
    own_motion = np.linalg.norm(flow - camera, axis=-1)
    explained = photometric_consistency(there, here, camera, gains.photometric_tolerance, gains)
    mask = ((own_motion > gains.mover_motion * longer) & (explained < 0.5)).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, _disc(gains.mover_min_size / 2 * longer))
    closing, margin = gains.mover_hole / 2 * longer, gains.mover_margin * longer
    mask = cv2.erode(cv2.dilate(mask, _disc(closing + margin)), _disc(closing))
    return cv2.GaussianBlur(mask.astype(np.float32), (0, 0), gains.mover_border * longer), camera


def _disc(radius_px: float) -> np.ndarray:
    side = 2 * max(1, round(radius_px)) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
