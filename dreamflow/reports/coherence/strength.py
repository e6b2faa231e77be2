"""Takes a schedule of the strength out of a shown dream: it is meant, and no flicker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

StrengthAtTime = Callable[[Fraction], float]
"""Returns how much of a dream is shown at a time, in seconds from the first frame."""

MIN_STRENGTH = 0.25
"""Smallest strength at which a dream is measured: the error of its 8-bit levels grows as the
inverse of it."""


def strengths_at(strengths: Sequence[StrengthAtTime | None], time: Fraction) -> list[float]:
    """Return how much of each dream is shown at a time; 1 where it does not change."""
    return [1.0 if strength is None else strength(time) for strength in strengths]


def undo_strength(source: np.ndarray, shown: np.ndarray, strength: float) -> np.ndarray:
    """Return the whole dream of which a share is shown: source + (shown - source) / strength.

    Args:
        source: uint8 (H, W, 3) RGB.
        shown: Alike.
        strength: The share, above 0.
    """
    if strength == 1:
        return shown
    dream = source + (shown.astype(np.float32) - source) / np.float32(strength)
    return np.rint(dream.clip(0, 255)).astype(np.uint8)
