"""The regions that a dream is judged by: what moves by itself, what it has just left, and the rest.

All of them are found in the source alone, so that any dream of it is judged by the same ones.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from dreamflow.core.imaging.positions import inside_frame
from dreamflow.core.opencv import cv2
from dreamflow.temporal.motion.camera import fit_camera, positions_to_flow, transform_positions
from dreamflow.temporal.motion.confidence import sample_linear

MIN_MOTION_PX, MIN_MOTION_SHARE = 1.0, 0.004
"""A pixel moves by itself where its flow differs from the camera's by more than both: pixels, and
a share of the frame's width."""
OPENING_PX, DILATION_PX = 3, 9
"""Sides of the squares that the mask of what moves is opened and then dilated with."""
VACATED_AFTER_FRAMES = 8
"""Ground counts as vacated where something that moves was so many frames ago."""
MAX_REPEAT_LEVELS, MAX_REPEATS = 8, 3
"""A frame repeats the last one where their difference, averaged over the square of the dilation, is
nowhere larger; so many times in a row."""
MIN_VACATED_LEVELS = 20.0
"""Mean difference over RGB from which on the source has changed there since."""


@dataclass(frozen=True)
class Regions:
    """The regions of a frame, each bool (H, W).

    Attributes:
        moving: What moves by itself, against the camera.
        vacated: Ground that something which moves has left within the last frames.
    """

    moving: np.ndarray
    vacated: np.ndarray

    @property
    def rest(self) -> np.ndarray:
        """All but what moves."""
        return ~self.moving


class RegionFinder:
    """Finds the regions of a source, frame by frame."""

    def __init__(self) -> None:
        # Picture, what moves, and the camera's motion into the frame before, (2, 3).
        self._history: deque[tuple[np.ndarray, np.ndarray, np.ndarray]] = deque(
            maxlen=VACATED_AFTER_FRAMES + 1
        )
        self._repeats = 0

    def __call__(self, picture: np.ndarray, flow: np.ndarray | None) -> Regions:
        """Return the regions of the next frame.

        Args:
            picture: uint8 (H, W, 3) RGB.
            flow: float32 (H, W, 2), its backward flow, (dx, dy) in pixels; None on the first frame
                of a shot, where nothing is known to move.
        """
        moving, camera = np.zeros(picture.shape[:2], bool), np.eye(2, 3)
        if flow is None:
            self._history.clear()
            self._repeats = 0
        elif self._history and self._is_repeat(picture):
            moving = self._history[-1][1]
        else:
            camera = fit_camera(flow)
            moving = find_moving(flow, camera)
        self._history.append((picture, moving, camera))
        return Regions(moving, self._find_vacated(picture, moving))

    def _is_repeat(self, picture: np.ndarray) -> bool:
        """Return whether a frame shows the last one again, as in a clip that was made of fewer.

        Nothing has come to a halt there: what moves still counts as such. After a few of them it
        has.
        """
        difference = cv2.blur(
            cv2.absdiff(picture, self._history[-1][0]), (DILATION_PX, DILATION_PX)
        )
        alike = int(difference.max()) <= MAX_REPEAT_LEVELS
        self._repeats = self._repeats + 1 if alike else 0
        return 0 < self._repeats <= MAX_REPEATS

    def _find_vacated(self, picture: np.ndarray, moving: np.ndarray) -> np.ndarray:
        if len(self._history) <= VACATED_AFTER_FRAMES:
            return np.zeros(moving.shape, bool)
        before, moved_before, _ = self._history[0]
        way = np.eye(3)
        for _, _, camera in reversed(list(self._history)[1:]):
            way = np.vstack([camera, [0, 0, 1]]) @ way
        x, y = transform_positions(way[:2], *moving.shape)
        difference = np.abs(sample_linear(before, x, y).astype(np.float32) - picture).mean(axis=-1)
        was_moving = sample_linear(moved_before.astype(np.float32), x, y) > 0.5
        changed = difference > MIN_VACATED_LEVELS
        return changed & was_moving & ~moving & inside_frame(x, y)


def find_moving(flow: np.ndarray, camera: np.ndarray) -> np.ndarray:
    """Return what moves by itself: bool (H, W).

    Args:
        flow: float32 (H, W, 2), (dx, dy) in pixels.
        camera: The camera's motion, (2, 3), as `fit_camera` returns it.
    """
    height, width = flow.shape[:2]
    difference = flow - positions_to_flow(*transform_positions(camera, height, width))
    own = np.hypot(difference[..., 0], difference[..., 1])
    mask = (own > max(MIN_MOTION_PX, MIN_MOTION_SHARE * width)).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((OPENING_PX, OPENING_PX), np.uint8))
    return cv2.dilate(mask, np.ones((DILATION_PX, DILATION_PX), np.uint8)).astype(bool)
