"""What the figures of a dream say, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dreamflow.motion.measure import TILES
from dreamflow.render.measuring import (
    LASTING,
    WEAKEST,
    Measured,
    excess_flicker,
    weakest_beside,
)


@dataclass(frozen=True)
class Bounds:
    """From where to where a figure is good, and fair; beyond that it is poor.

    low, high: what a dream is whose figure is too low or too high.
    """

    good: tuple[float, float]
    fair: tuple[float, float]
    low: str
    high: str

    def verdict(self, value: float) -> str:
        """Return `good`, or `fair` or `poor` and why."""
        if self.good[0] <= value <= self.good[1]:
            return "good"
        word = "fair" if self.fair[0] <= value <= self.fair[1] else "poor"
        return f"{word}: {self.low if value < self.good[0] else self.high}"


NONE_TOO_LOW, NONE_TOO_HIGH = -math.inf, math.inf
EXCESS, STRENGTH, SHARPNESS = "excess flicker", "strength", "sharpness"
EVENNESS = "weakest tile"
BARE = "bare in places"
BOUNDS = {
    "E_warp / source": Bounds((NONE_TOO_LOW, 2), (NONE_TOO_LOW, 4), "", "it flickers"),
    LASTING: Bounds((0.8, 1.3), (0.6, 1.7), "it fades", "it grows"),
    WEAKEST: Bounds((0.18, NONE_TOO_HIGH), (0.12, NONE_TOO_HIGH), BARE, ""),
    "colour drift, levels": Bounds((NONE_TOO_LOW, 1), (NONE_TOO_LOW, 3), "", "its colours drift"),
    EXCESS: Bounds((NONE_TOO_LOW, 0.05), (NONE_TOO_LOW, 0.15), "", "it flickers"),
    STRENGTH: Bounds((0.85, 1.35), (0.65, 1.8), "weaker", "stronger"),
    SHARPNESS: Bounds((0.85, 1.25), (0.65, 1.6), "softer", "harsher"),
    EVENNESS: Bounds((0.7, NONE_TOO_HIGH), (0.4, NONE_TOO_HIGH), BARE, ""),
}
"""Of figures by name. The eye sees no flicker up to an excess of about 0.03. Deep layers leave what
is smooth nearly as it is, so that a tile may well have a fifth of the change that strong ones have;
the errors of encoding are a tenth of it."""


def compared(found: Sequence[Measured]) -> dict[str, float]:
    """Return the figures of a dream as shares of another's; {} where there is none.

    What cannot be compared, since there is no objective or no flicker, is left out.
    """
    if len(found) < 2:
        return {}
    one, other = (measured.summary() for measured in found[:2])
    shares: dict[str, float] = {}
    if (excess := excess_flicker(found[0], found[1])) is not None:
        shares[EXCESS] = excess
    for name, figure in ((STRENGTH, "objective"), (SHARPNESS, "sharpness / source")):
        if other.get(figure, 0.0) > 0 and figure in one:
            shares[name] = one[figure] / other[figure]
    if (weakest := weakest_beside(found[0], found[1])) is not None:
        shares[EVENNESS] = weakest[0]
    return shares


def verdicts(
    found: Sequence[Measured], matted: bool = False, changing: bool = False
) -> dict[str, str]:
    """Return what is good, fair or poor about the first of some dreams, by the figure's name.

    matted: whether it is meant to be bare in places. How even it is, is judged by another dream
    where there is one: of the same layer, that leaves bare what this layer does. changing: whether
    its settings change over time, so that it is meant to fade or grow.
    """
    figures = found[0].summary() | compared(found)
    if matted or EVENNESS in figures:
        figures.pop(WEAKEST, None)
    if matted:
        figures.pop(EVENNESS, None)
    if changing:
        figures.pop(LASTING, None)
    said = {
        name: bounds.verdict(figures[name]) for name, bounds in BOUNDS.items() if name in figures
    }
    if BARE in said.get(EVENNESS, ""):
        said[EVENNESS] += f", most {place_of_weakest(found[0], found[1])}"
    return said


def place_of_weakest(dream: Measured, other: Measured) -> str:
    """Return in words where a dream holds the least of what another has there."""
    weakest = weakest_beside(dream, other)
    if weakest is None or len(dream.figures[0].tiles) < TILES**2:
        return "in one tile"
    row, column = divmod(weakest[1], TILES)
    return f"in row {row + 1}, column {column + 1} of {TILES}x{TILES} tiles"
