"""How a zoom comes back to where it began: its first picture is met again, far inside the last."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dreamflow.pipelines.zoom.camera import SimilarityTransform, transform_pixel_grid, warp_view

FIRST_VISIBLE_SCALE = 1 / 8
"""The size at which the first picture comes into sight, as a share of its own."""
EARLIEST_START_SHARE = 0.5
"""It does not come into sight before this share of the journey is over."""
FADE_IN_SHARE = 0.4
"""Share of the way home over which it comes out of the dream that is there."""
INITIAL_FEATHER_WIDTH = 0.7
"""Width of its soft border while it is far away, where its half sides are 1."""
FINAL_OVERREACH = 0.25
"""How far beyond the middle of its sides, in the same units, it goes at the end: to its corners."""
SUPERELLIPSE_EXPONENT = 4
"""Exponent of the superellipse that it has the shape of: 2 is an ellipse, a large one a box."""


class LoopClosure:
    """The first picture, which lies ahead of the camera, and is all that it sees at the end."""

    def __init__(
        self,
        first_state: np.ndarray,
        origin: complex,
        transforms: Sequence[SimilarityTransform],
        tick_s: float,
    ) -> None:
        """Look ahead.

        home: float32 (H, W, 3), the first state; corner: where the frame begins in it. moves: of
        the camera, from tick to tick; interval: seconds between them.
        """
        self.first_state, self._origin, self._tick_s = first_state, origin, tick_s
        self._remaining_transforms = [SimilarityTransform()]
        for move in reversed(transforms):
            self._remaining_transforms.append(move.then(self._remaining_transforms[-1]))
        self._remaining_transforms.reverse()
        self._ticks = len(transforms)
        self._start_tick = next(
            tick
            for tick, ahead in enumerate(self._remaining_transforms)
            if tick >= EARLIEST_START_SHARE * self._ticks
            and abs(ahead.scale_rotation) >= FIRST_VISIBLE_SCALE
        )

    def blend_toward_first(self, state: np.ndarray, tick: int, origin: complex) -> np.ndarray:
        """Return a state (H, W, 3) that has come nearer to the first picture, where it lies then.

        corner: where the frame begins in the state. At the last tick it is the first state itself.
        Until then the two grow into one another: a share of the difference goes in a second, and
        what is left of it dreams on.
        """
        if tick == self._ticks:
            return self.first_state
        if tick <= self._start_tick:
            return state
        way = (tick - self._start_tick) / (self._ticks - self._start_tick)
        height, width = state.shape[:2]
        move = self._remaining_transforms[tick].inverse().with_origins(self._origin, origin)
        share = (
            1
            - (1 - self._blend_rate(*transform_pixel_grid(move, width, height), way))
            ** self._tick_s
        )
        weight = share.astype(np.float32)[..., None]
        return state + weight * (warp_view(self.first_state, move, width, height) - state)

    def _blend_rate(self, x: np.ndarray, y: np.ndarray, progress: float) -> np.ndarray:
        """Return how much of the difference goes in a second at each of its points, 0 to 1."""
        height, width = self.first_state.shape[:2]
        across, down = 2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1
        radius = (across**SUPERELLIPSE_EXPONENT + down**SUPERELLIPSE_EXPONENT) ** (
            1 / SUPERELLIPSE_EXPONENT
        )
        inside = 1 + FINAL_OVERREACH * progress**2 - radius
        feather = INITIAL_FEATHER_WIDTH * (1 - progress**2)
        return smoothstep(inside / feather) * smoothstep(progress / FADE_IN_SHARE)


def smoothstep(share: np.ndarray | float) -> np.ndarray:
    """Return 0 below 0, 1 above 1, and a smooth step between."""
    share = np.clip(share, 0, 1)
    return share * share * (3 - 2 * share)
