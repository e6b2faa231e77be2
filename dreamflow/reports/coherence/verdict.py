"""What the figures of a dream say, in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dreamflow.reports.coherence.measurement import (
    RESIDUAL_TREND_METRIC,
    WEAKEST_TILE_METRIC,
    Measurement,
    compute_excess_flicker,
    find_weakest_tile_ratio,
)
from dreamflow.reports.coherence.warp_error import TILES_PER_SIDE


@dataclass(frozen=True)
class MetricBounds:
    """From where to where a figure is good, and fair; beyond that it is poor.

    low, high: what a dream is whose figure is too low or too high.
    """

    good: tuple[float, float]
    fair: tuple[float, float]
    low_reason: str
    high_reason: str

    def judge(self, value: float) -> str:
        """Return `good`, or `fair` or `poor` and why."""
        if self.good[0] <= value <= self.good[1]:
            return "good"
        word = "fair" if self.fair[0] <= value <= self.fair[1] else "poor"
        return f"{word}: {self.low_reason if value < self.good[0] else self.high_reason}"


NO_LOWER_BOUND, NO_UPPER_BOUND = -math.inf, math.inf
EXCESS_FLICKER_METRIC, STRENGTH_METRIC, SHARPNESS_METRIC = "excess flicker", "strength", "sharpness"
EVENNESS_METRIC = "weakest tile"
BARE_VERDICT = "bare in places"
BOUNDS_BY_METRIC = {
    "E_warp / source": MetricBounds((NO_LOWER_BOUND, 2), (NO_LOWER_BOUND, 4), "", "it flickers"),
    RESIDUAL_TREND_METRIC: MetricBounds((0.8, 1.3), (0.6, 1.7), "it fades", "it grows"),
    WEAKEST_TILE_METRIC: MetricBounds(
        (0.18, NO_UPPER_BOUND), (0.12, NO_UPPER_BOUND), BARE_VERDICT, ""
    ),
    "colour drift, levels": MetricBounds(
        (NO_LOWER_BOUND, 1), (NO_LOWER_BOUND, 3), "", "its colours drift"
    ),
    EXCESS_FLICKER_METRIC: MetricBounds(
        (NO_LOWER_BOUND, 0.05), (NO_LOWER_BOUND, 0.15), "", "it flickers"
    ),
    STRENGTH_METRIC: MetricBounds((0.85, 1.35), (0.65, 1.8), "weaker", "stronger"),
    SHARPNESS_METRIC: MetricBounds((0.85, 1.25), (0.65, 1.6), "softer", "harsher"),
    EVENNESS_METRIC: MetricBounds((0.7, NO_UPPER_BOUND), (0.4, NO_UPPER_BOUND), BARE_VERDICT, ""),
}
"""Of figures by name. The eye sees no flicker up to an excess of about 0.03. Deep layers leave what
is smooth nearly as it is, so that a tile may well have a fifth of the change that strong ones have;
the errors of encoding are a tenth of it."""


def compare_measurements(measurements: Sequence[Measurement]) -> dict[str, float]:
    """Return the figures of a dream as shares of another's; {} where there is none.

    What cannot be compared, since there is no objective or no flicker, is left out.
    """
    if len(measurements) < 2:
        return {}
    one, other = (measured.summarise() for measured in measurements[:2])
    shares: dict[str, float] = {}
    if (excess := compute_excess_flicker(measurements[0], measurements[1])) is not None:
        shares[EXCESS_FLICKER_METRIC] = excess
    for name, figure in ((STRENGTH_METRIC, "objective"), (SHARPNESS_METRIC, "sharpness / source")):
        if other.get(figure, 0.0) > 0 and figure in one:
            shares[name] = one[figure] / other[figure]
    if (weakest := find_weakest_tile_ratio(measurements[0], measurements[1])) is not None:
        shares[EVENNESS_METRIC] = weakest[0]
    return shares


def judge_measurements(
    measurements: Sequence[Measurement], has_matte: bool = False, has_schedule: bool = False
) -> dict[str, str]:
    """Return what is good, fair or poor about the first of some dreams, by the figure's name.

    matted: whether it is meant to be bare in places. How even it is, is judged by another dream
    where there is one: of the same layer, that leaves bare what this layer does. changing: whether
    its settings change over time, so that it is meant to fade or grow.
    """
    figures = measurements[0].summarise() | compare_measurements(measurements)
    if has_matte or EVENNESS_METRIC in figures:
        figures.pop(WEAKEST_TILE_METRIC, None)
    if has_matte:
        figures.pop(EVENNESS_METRIC, None)
    if has_schedule:
        figures.pop(RESIDUAL_TREND_METRIC, None)
    said = {
        name: bounds.judge(figures[name])
        for name, bounds in BOUNDS_BY_METRIC.items()
        if name in figures
    }
    if BARE_VERDICT in said.get(EVENNESS_METRIC, ""):
        said[EVENNESS_METRIC] += f", most {describe_weakest_tile(measurements[0], measurements[1])}"
    return said


def describe_weakest_tile(dream: Measurement, other: Measurement) -> str:
    """Return in words where a dream holds the least of what another has there."""
    weakest = find_weakest_tile_ratio(dream, other)
    if weakest is None or len(dream.frame_metrics[0].tiles) < TILES_PER_SIDE**2:
        return "in one tile"
    row, column = divmod(weakest[1], TILES_PER_SIDE)
    return f"in row {row + 1}, column {column + 1} of {TILES_PER_SIDE}x{TILES_PER_SIDE} tiles"
