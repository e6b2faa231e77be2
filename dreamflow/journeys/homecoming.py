"""How a zoom comes back to where it began: its first picture is met again, far inside the last."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dreamflow.motion.camera import Move, places, seen

FARTHEST = 1 / 8
"""The size at which the first picture comes into sight, as a share of its own."""
EARLIEST = 0.5
"""It does not come into sight before this share of the journey is over."""
APPEARING = 0.4
"""Share of the way home over which it comes out of the dream that is there."""
FEATHER = 0.7
"""Width of its soft border while it is far away, where its half sides are 1."""
REACH = 0.25
"""How far beyond the middle of its sides, in the same units, it goes at the end: to its corners."""
ROUNDNESS = 4
"""Exponent of the superellipse that it has the shape of: 2 is an ellipse, a large one a box."""


class Homecoming:
    """The first picture, which lies ahead of the camera, and is all that it sees at the end."""

    def __init__(
        self, home: np.ndarray, corner: complex, moves: Sequence[Move], interval: float
    ) -> None:
        """Look ahead.

        home: float32 (H, W, 3), the first state; corner: where the frame begins in it. moves: of
        the camera, from tick to tick; interval: seconds between them.
        """
        self.home, self._corner, self._interval = home, corner, interval
        self._ahead = [Move()]
        for move in reversed(moves):
            self._ahead.append(move.then(self._ahead[-1]))
        self._ahead.reverse()
        self._ticks = len(moves)
        self._begin = next(
            tick
            for tick, ahead in enumerate(self._ahead)
            if tick >= EARLIEST * self._ticks and abs(ahead.turn) >= FARTHEST
        )

    def met(self, state: np.ndarray, tick: int, corner: complex) -> np.ndarray:
        """Return a state (H, W, 3) that has come nearer to the first picture, where it lies then.

        corner: where the frame begins in the state. At the last tick it is the first state itself.
        Until then the two grow into one another: a share of the difference goes in a second, and
        what is left of it dreams on.
        """
        if tick == self._ticks:
            return self.home
        if tick <= self._begin:
            return state
        way = (tick - self._begin) / (self._ticks - self._begin)
        height, width = state.shape[:2]
        move = self._ahead[tick].back().between(self._corner, corner)
        share = 1 - (1 - self._pull(*places(move, width, height), way)) ** self._interval
        weight = share.astype(np.float32)[..., None]
        return state + weight * (seen(self.home, move, width, height) - state)

    def _pull(self, x: np.ndarray, y: np.ndarray, way: float) -> np.ndarray:
        """Return how much of the difference goes in a second at each of its points, 0 to 1."""
        height, width = self.home.shape[:2]
        across, down = 2 * x / (width - 1) - 1, 2 * y / (height - 1) - 1
        radius = (across**ROUNDNESS + down**ROUNDNESS) ** (1 / ROUNDNESS)
        inside = 1 + REACH * way**2 - radius
        feather = FEATHER * (1 - way**2)
        return smooth(inside / feather) * smooth(way / APPEARING)


def smooth(share: np.ndarray | float) -> np.ndarray:
    """Return 0 below 0, 1 above 1, and a smooth step between."""
    share = np.clip(share, 0, 1)
    return share * share * (3 - 2 * share)
