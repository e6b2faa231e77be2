"""Optical flow as an estimator finds it, on the host."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class FlowPair:
    """Optical flow between two frames, both ways, as an estimator found it.

    Attributes:
        backward: float32 (h, w, 2), (dx, dy) in pixels; it lives on the current frame and points
            into the previous one.
        forward: The same the other way round: on the previous frame, into the current one.
    """

    backward: np.ndarray
    forward: np.ndarray

    @property
    def reversed(self) -> FlowPair:
        """The flow of the same two frames in the opposite order."""
        return FlowPair(self.forward, self.backward)

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return self.backward.nbytes + self.forward.nbytes
