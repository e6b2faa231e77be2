"""A frame: one decoded picture of a clip with its number and time."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np


@dataclass(frozen=True)
class Frame:
    """One picture of a clip.

    Attributes:
        index: Number in the source from 0, or in the resampled clip; it keys the randomness of the
            dream.
        time: Seconds from the clip's first frame, exact.
        picture: uint8 (H, W, 3) RGB.
        source: uint8 (H, W, 3) RGB, for a dream the picture that it was dreamed from.
        full_picture: uint8 (H, W, 3) RGB, for a cropped frame the picture that it was cropped from.
    """

    index: int
    time: Fraction
    picture: np.ndarray
    source: np.ndarray | None = None
    full_picture: np.ndarray | None = None

    @property
    def whole_size(self) -> tuple[int, int]:
        """(height, width) of the whole picture, also of a cropped frame."""
        whole = self.picture if self.full_picture is None else self.full_picture
        return whole.shape[0], whole.shape[1]
