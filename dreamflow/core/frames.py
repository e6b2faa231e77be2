"""A frame: one picture of a clip, with its number and time."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np


@dataclass(frozen=True)
class Frame:
    """One picture of a clip.

    index: its number in the source, from 0 (in a resampled clip, in that clip); it also keys the
    dream's randomness. time: seconds from the clip's first frame, exact. picture: uint8 (H, W, 3),
    RGB. source: of a dreamed frame, the picture that it is the dream of. whole: of a frame that is
    a part of a picture, all of it.
    """

    index: int
    time: Fraction
    picture: np.ndarray
    source: np.ndarray | None = None
    full_picture: np.ndarray | None = None
