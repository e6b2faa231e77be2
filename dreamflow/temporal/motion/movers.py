"""What moves by itself in a pair of frames, found on the host where flow is estimated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from dreamflow.core.imaging.arrays import as_tensor
from dreamflow.core.imaging.positions import inside_frame
from dreamflow.core.opencv import cv2
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.flow.flow_pair import FlowPair
from dreamflow.temporal.motion.camera import fit_camera, positions_to_flow, transform_positions
from dreamflow.temporal.motion.confidence import (
    check_consistency,
    photometric_consistency,
    squared_length,
)
from dreamflow.temporal.motion.crops import shares_by_block
from dreamflow.temporal.motion.motion import MoverMasks


@dataclass(frozen=True)
class Movers:
    """What moves against the camera, on both frames of a pair, as arrays.

    Attributes:
        here: uint8 (H, W), 1 where something moves by itself, on the current frame.
        before: The same on the previous frame.
        camera: float32 (H, W, 2), the camera's backward flow, (dx, dy) in pixels.
        camera_share: Share of the current frame whose flow is the camera's.
    """

    here: np.ndarray
    before: np.ndarray
    camera: np.ndarray
    camera_share: float

    def to_masks(self, frame_size: tuple[int, int], gains: Gains) -> MoverMasks | None:
        """Return the masks of the temporal step, on the CPU; None where nothing moves.

        Args:
            frame_size: (height, width) of the frames that are dreamed, in pixels.
            gains: The constants.
        """
        if self.here.max() == 0 and self.before.max() == 0:
            return None
        here, before = (_with_margin(mask, gains) for mask in (self.here, self.before))
        return MoverMasks(
            core=torch.as_tensor(self.here.astype(np.float32))[None, None],
            here=torch.as_tensor(here)[None, None],
            before=torch.as_tensor(before)[None, None],
            camera=as_tensor(self.camera),
            shares=shares_by_block((here > 0.5).astype(np.float32), *frame_size, gains),
            knows_ground=self.camera_share >= gains.camera_min_share,
        )


def find_movers(flow: FlowPair, before: np.ndarray, here: np.ndarray, gains: Gains) -> Movers:
    """Return what moves by itself.

    Args:
        flow: Of two frames, both ways.
        before: The previous frame, uint8 (H, W, 3) RGB, in the size of the flow.
        here: The current frame, alike.
        gains: The constants.
    """
    on_here, camera, camera_share = find_movers_one_way(flow, here, before, gains)
    on_before, _, _ = find_movers_one_way(flow.reversed, before, here, gains)
    return Movers(on_here, on_before, camera, camera_share)


def find_movers_one_way(
    flow: FlowPair, here: np.ndarray, there: np.ndarray, gains: Gains
) -> tuple[np.ndarray, np.ndarray, float]:
    """Return what moves against the camera: where its flow differs, and the pictures too.

    On sky, snow or water flow is arbitrary, and differs from the camera's where nothing moves; but
    there the camera's motion explains the picture as well. Beside a mover, where it hides or
    uncovers the ground, the two flows disagree, and nothing counts as moving.

    Args:
        flow: Backward from `here` into `there`, and forward.
        here: uint8 (H, W, 3).
        there: Alike.
        gains: The constants.

    Returns:
        (uint8 (H, W), 1 where something moves; the camera's flow, float32 (H, W, 2); share of the
        frame whose flow is the camera's).
    """
    height, width = flow.backward.shape[:2]
    longer = max(height, width)
    x, y = transform_positions(fit_camera(flow.backward), height, width)
    camera = positions_to_flow(x, y)
    own_motion = np.sqrt(squared_length(flow.backward - camera))
    has_own_motion = own_motion > gains.mover_motion * longer
    consistent = check_consistency(
        flow, gains.flow_relative_tolerance, gains.flow_absolute_tolerance * longer
    )
    explained = photometric_consistency(there, here, camera, gains.photometric_tolerance, gains)
    moves = has_own_motion & (explained < 0.5) & consistent
    mask = (moves & inside_frame(x, y)).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, _disc(gains.mover_min_size / 2 * longer))
    closing = _disc(gains.mover_hole / 2 * longer)
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, closing)
    return mask, camera, 1 - float(has_own_motion.mean())


def _with_margin(mask: np.ndarray, gains: Gains) -> np.ndarray:
    """Return a mask (H, W) with a margin and a soft border: float32 (H, W) in [0, 1]."""
    longer = max(mask.shape)
    wide = cv2.dilate(mask, _disc(gains.mover_margin * longer)).astype(np.float32)
    return cv2.GaussianBlur(wide, (0, 0), gains.mover_border * longer)


def _disc(radius_px: float) -> np.ndarray:
    side = 2 * max(1, round(radius_px)) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
