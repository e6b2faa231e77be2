"""Verdicts on the metrics of a dream: good, fair or poor, and why."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from dreamflow.reports.coherence.measurement import (
    MIN_NAIVE_FLICKER,
    RESIDUAL_TREND_METRIC,
    WEAKEST_TILE_METRIC,
    Measurement,
    compute_excess_flicker,
    find_weakest_tile_ratio,
    nan_mean,
)
from dreamflow.reports.coherence.regional import (
    MOVING,
    REST,
    VACATED,
    find_weakest_mover,
    gain_ratio,
)
from dreamflow.reports.coherence.warp_error import TILES_PER_SIDE


@dataclass(frozen=True)
class MetricBounds:
    """Ranges in which a metric is good and fair; outside of both it is poor.

    Attributes:
        good: Lowest and highest good value.
        fair: Lowest and highest fair value.
        low_reason: What a value below the good ones means, in words.
        high_reason: The same of a value above them.
    """

    good: tuple[float, float]
    fair: tuple[float, float]
    low_reason: str
    high_reason: str

    def judge(self, value: float) -> str:
        """Return `good`, or `fair` or `poor` with the reason."""
        if self.good[0] <= value <= self.good[1]:
            return "good"
        word = "fair" if self.fair[0] <= value <= self.fair[1] else "poor"
        return f"{word}: {self.low_reason if value < self.good[0] else self.high_reason}"


NO_LOWER_BOUND, NO_UPPER_BOUND = -math.inf, math.inf
EXCESS_FLICKER_METRIC, INTENSITY_METRIC = "excess flicker", "intensity"
SHARPNESS_METRIC = "sharpness"
EVENNESS_METRIC = "weakest tile"
MOVING_FLICKER_METRIC, REST_FLICKER_METRIC = f"excess flicker, {MOVING}", f"excess flicker, {REST}"
MOVING_INTENSITY_METRIC = f"intensity, {MOVING}"
VACATED_INTENSITY_METRIC = f"intensity, {VACATED}"
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
    REST_FLICKER_METRIC: MetricBounds(
        (NO_LOWER_BOUND, 0.025), (NO_LOWER_BOUND, 0.1), "", "it flickers"
    ),
    MOVING_FLICKER_METRIC: MetricBounds(
        (NO_LOWER_BOUND, 0.06), (NO_LOWER_BOUND, 0.2), "", "it flickers"
    ),
    MOVING_INTENSITY_METRIC: MetricBounds(
        (0.75, NO_UPPER_BOUND), (0.5, NO_UPPER_BOUND), "what moves goes bare", ""
    ),
    VACATED_INTENSITY_METRIC: MetricBounds(
        (0.6, 1.5), (0.35, 2.2), "bare where something was", "what moved left its dream there"
    ),
    INTENSITY_METRIC: MetricBounds((0.85, 1.35), (0.65, 1.8), "weaker", "stronger"),
    SHARPNESS_METRIC: MetricBounds((0.85, 1.25), (0.65, 1.6), "softer", "harsher"),
    EVENNESS_METRIC: MetricBounds((0.7, NO_UPPER_BOUND), (0.4, NO_UPPER_BOUND), BARE_VERDICT, ""),
}
"""Bounds of each metric that has a verdict. No flicker is visible up to an excess of about 0.03.
Deep layers leave smooth areas nearly as they are, so that a tile may well have a fifth of the
change of strong ones; encoding errors are a tenth of it."""


def compare_measurements(measurements: Sequence[Measurement]) -> dict[str, float]:
    """Return the metrics of the first dream as shares of the second's.

    Args:
        measurements: One or two measurements.

    Returns:
        Shares by metric, without those that cannot be compared (no objective, no flicker); empty
        for a single measurement.
    """
    if len(measurements) < 2:
        return {}
    summary, other_summary = (one.summarise() for one in measurements[:2])
    shares: dict[str, float] = {}
    if (excess := compute_excess_flicker(measurements[0], measurements[1])) is not None:
        shares[EXCESS_FLICKER_METRIC] = excess
    for name, metric in ((INTENSITY_METRIC, "objective"), (SHARPNESS_METRIC, "sharpness / source")):
        if other_summary.get(metric, 0.0) > 0 and metric in summary:
            shares[name] = summary[metric] / other_summary[metric]
    if (weakest := find_weakest_tile_ratio(measurements[0], measurements[1])) is not None:
        shares[EVENNESS_METRIC] = weakest[0]
    return shares | compare_regions(measurements[0], measurements[1])


def summarise_flicker(measurements: Sequence[Measurement], verdicts: dict[str, str]) -> str | None:
    """Return the verdict on a dream's flicker in a sentence; None where it is not compared."""
    excess = compare_measurements(measurements).get(EXCESS_FLICKER_METRIC)
    if excess is None:
        return None
    other, verdict = measurements[1].name, verdicts[EXCESS_FLICKER_METRIC]
    return f"Flicker: {max(0.0, excess):.1%} of what {other} adds to the clip's own, {verdict}."


def compare_regions(dream: Measurement, other: Measurement) -> dict[str, float]:
    """Return the metrics of a dream by region, as shares of another's, where they are known."""
    shares: dict[str, float] = {}
    for region, name in ((MOVING, MOVING_FLICKER_METRIC), (REST, REST_FLICKER_METRIC)):
        own, source, others = (
            nan_mean(measurement.region_series(series, region))
            for measurement, series in (
                (dream, "warp_error"),
                (dream, "source_warp_error"),
                (other, "warp_error"),
            )
        )
        if others - source > MIN_NAIVE_FLICKER:
            shares[name] = (own - source) / (others - source)
    metrics, other_metrics = (
        [frame.by_region for frame in measurement.frame_metrics] for measurement in (dream, other)
    )
    for region, name in ((MOVING, MOVING_INTENSITY_METRIC), (VACATED, VACATED_INTENSITY_METRIC)):
        ratio = gain_ratio(metrics, other_metrics, region)
        if ratio is not None:
            shares[name] = ratio
    return shares


def judge_measurements(
    measurements: Sequence[Measurement], has_matte: bool = False, has_schedule: bool = False
) -> dict[str, str]:
    """Return verdicts on the first of one or two dreams, by metric.

    Args:
        measurements: The dream to judge, and maybe another one to compare it with. How even it is,
            is judged by the other one: dreamed on the same layer, it is bare in the same places.
        has_matte: Whether it is meant to be bare in places.
        has_schedule: Whether its settings change over time, so that it is meant to fade or grow.
    """
    values = measurements[0].summarise() | compare_measurements(measurements)
    if has_matte or EVENNESS_METRIC in values:
        values.pop(WEAKEST_TILE_METRIC, None)
    if has_matte:
        values.pop(EVENNESS_METRIC, None)
    if has_schedule:
        values.pop(RESIDUAL_TREND_METRIC, None)
    verdicts = {
        name: bounds.judge(values[name])
        for name, bounds in BOUNDS_BY_METRIC.items()
        if name in values
    }
    if BARE_VERDICT in verdicts.get(EVENNESS_METRIC, ""):
        place = describe_weakest_tile(measurements[0], measurements[1])
        verdicts[EVENNESS_METRIC] += f", most {place}"
    if verdicts.get(MOVING_INTENSITY_METRIC, "good") != "good":
        verdicts[MOVING_INTENSITY_METRIC] += describe_weakest_mover(*measurements[:2])
    return verdicts


def describe_weakest_mover(dream: Measurement, other: Measurement) -> str:
    """Return in words where and when what moves is dreamed weakest against another dream."""
    metrics, other_metrics = (
        [frame.by_region for frame in measurement.frame_metrics] for measurement in (dream, other)
    )
    weakest = find_weakest_mover(metrics, other_metrics)
    if weakest is None:
        return ""
    time = float(dream.frame_times_s[weakest.frame])
    return f", most at {time:.2f} s, {weakest.left:.0%} across and {weakest.top:.0%} down"


def describe_weakest_tile(dream: Measurement, other: Measurement) -> str:
    """Return in words which tile holds the smallest share of another dream's residual."""
    weakest = find_weakest_tile_ratio(dream, other)
    if weakest is None or len(dream.frame_metrics[0].tiles) < TILES_PER_SIDE**2:
        return "in one tile"
    row, column = divmod(weakest[1], TILES_PER_SIDE)
    return f"in row {row + 1}, column {column + 1} of {TILES_PER_SIDE}x{TILES_PER_SIDE} tiles"
