"""A dream measured against its source: metrics of each frame, and of the whole."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from dreamflow.reports.coherence.regional import MOVING, REST, flatten_regions
from dreamflow.reports.coherence.warp_error import MIN_DREAM_RESIDUAL_LEVELS, FrameMetrics

WEAKEST_TILE_METRIC = "weakest tile / strong"
"""Name of the metric of how evenly the frame is dreamed."""
RESIDUAL_TREND_METRIC = "residual, end / beginning"
"""Name of the metric of whether a dream stays as strong over a shot."""
TREND_WINDOW_S = 1
"""Seconds of the end of a shot that the trend compares with its first frame."""
MIN_TREND_SHOT_S = 1
"""Shortest shot, in seconds, that has a trend."""
LOW_METRIC_QUANTILE = 0.1
"""Quantile over the frames that stands for a metric whose low values matter."""
MIN_NAIVE_FLICKER = 1e-9
"""Smallest flicker, in E_warp, of which another can be a share."""
MIN_DIVISOR = 1e-12
"""Smallest value that a metric is divided by."""


@dataclass
class Measurement:
    """The metrics of a dream, frame by frame.

    Attributes:
        name: Name of the dream's file.
        frame_indices: Index of each frame in the source.
        frame_times_s: Time of each frame, in seconds from the first.
        frame_metrics: Metrics of each frame.
        objective: Objective of each frame, or empty.
        source_objective: Objective of each source frame, or empty.
        slice_rows: One row of each source frame and of its dream, uint8 (W, 3) each.
    """

    name: str
    frame_indices: list[int] = field(default_factory=list[int])
    frame_times_s: list[Fraction] = field(default_factory=list[Fraction])
    frame_metrics: list[FrameMetrics] = field(default_factory=list[FrameMetrics])
    objective: list[float] = field(default_factory=list[float])
    source_objective: list[float] = field(default_factory=list[float])
    slice_rows: list[tuple[np.ndarray, np.ndarray]] = field(
        default_factory=list[tuple[np.ndarray, np.ndarray]]
    )

    @property
    def xt_slices(self) -> tuple[np.ndarray, np.ndarray]:
        """The x-t slices of source and dream, uint8 (frames, W, 3)."""
        source_rows, dream_rows = zip(*self.slice_rows, strict=True)
        return np.stack(source_rows), np.stack(dream_rows)

    @property
    def cut_times_s(self) -> list[float]:
        """The times in seconds at which shots begin, without the first shot."""
        pairs = list(zip(self.frame_times_s, self.frame_metrics, strict=True))[1:]
        return [float(time) for time, metrics in pairs if metrics.cut]

    def metric_series(self, name: str) -> np.ndarray:
        """Return a metric of every frame, float64 (frames,)."""
        return np.array([getattr(metrics, name) for metrics in self.frame_metrics], np.float64)

    def region_series(self, name: str, region: str) -> np.ndarray:
        """Return a metric of every frame in a region, float64 (frames,); see RegionalMetrics."""
        values = (getattr(metrics.by_region, name) for metrics in self.frame_metrics)
        return np.array([by_region.get(region, math.nan) for by_region in values], np.float64)

    def to_rows(self) -> list[dict[str, Any]]:
        """Return the metrics of each frame as plain values, None where it has none."""
        rows: list[dict[str, Any]] = []
        for number, metrics in enumerate(self.frame_metrics):
            row: dict[str, Any] = {
                "frame": self.frame_indices[number],
                "time_s": round(float(self.frame_times_s[number]), 6),
                **{name: value for name, value in vars(metrics).items() if name != "by_region"},
            }
            del row["tiles"]
            row |= flatten_regions(metrics.by_region)
            if self.objective:
                row["objective"] = self.objective[number]
                row["source_objective"] = self.source_objective[number]
            rows.append({k: None if _is_nan(v) else v for k, v in row.items()})
        return rows

    def colour_drift(self) -> float:
        """Return the largest drift of the residual's mean colour within a shot, in levels.

        Against the first frame of the shot, in the channel that drifts most.
        """
        drift, first = 0.0, np.zeros(3)
        for metrics in self.frame_metrics:
            colour = np.array([metrics.red, metrics.green, metrics.blue])
            first = colour if metrics.cut else first
            drift = max(drift, float(np.abs(colour - first).max()))
        return drift

    def residual_trend(self) -> float:
        """Return the residual of a shot's last second as a share of that of its first frame.

        Its first frame is what a look is chosen by. Of a short shot its second half is taken. The
        lowest of all shots, since one that grows does not make up for one that fades; NaN where all
        shots are short.
        """
        starts = [n for n, metrics in enumerate(self.frame_metrics) if metrics.cut]
        residual, trends = self.metric_series("residual"), [math.nan]
        for start, end in zip(starts, [*starts[1:], len(self.frame_times_s)], strict=True):
            times = np.array([float(time) for time in self.frame_times_s[start:end]])
            times -= times[0]
            if times[-1] < MIN_TREND_SHOT_S:
                continue
            shot = residual[start:end]
            late = shot[times >= times[-1] - min(TREND_WINDOW_S, times[-1] / 2)].mean()
            first = shot[0]
            trends.append(float(late / first) if first >= MIN_DREAM_RESIDUAL_LEVELS else math.nan)
        return float(np.nanmin(trends)) if not np.isnan(trends).all() else math.nan

    def summarise(self) -> dict[str, float]:
        """Return the metrics of the whole by name, without those that it does not have."""
        summary = {
            "frames": float(len(self.frame_metrics)),
            "E_warp": self._mean("warp_error"),
            "E_warp of the source": self._mean("source_warp_error"),
            "E_warp, long-term": self._mean("long_warp_error"),
            "E_warp of the source, long-term": self._mean("source_long_warp_error"),
            "share compared": self._mean("compared"),
            "mean |residual|, levels": self._mean("residual"),
            RESIDUAL_TREND_METRIC: self.residual_trend(),
            WEAKEST_TILE_METRIC: nan_low_quantile(self.metric_series("weakest")),
            f"share of {MOVING}": nan_mean(self.region_series("share", MOVING)),
            f"E_warp on {MOVING}": nan_mean(self.region_series("warp_error", MOVING)),
            f"E_warp of the source on {MOVING}": nan_mean(
                self.region_series("source_warp_error", MOVING)
            ),
            f"E_warp on {REST}": nan_mean(self.region_series("warp_error", REST)),
            f"E_warp of the source on {REST}": nan_mean(
                self.region_series("source_warp_error", REST)
            ),
            "sharpness / source": self._mean("sharpness")
            / max(MIN_DIVISOR, self._mean("source_sharpness")),
            "colour drift, levels": self.colour_drift(),
        }
        if summary["E_warp of the source"] > 0:
            summary["E_warp / source"] = summary["E_warp"] / summary["E_warp of the source"]
        if self.objective:
            source = nan_mean(np.array(self.source_objective))
            summary["objective"] = nan_mean(np.array(self.objective))
            summary["objective / source"] = summary["objective"] / max(MIN_DIVISOR, source)
        return {name: value for name, value in summary.items() if not math.isnan(value)}

    def _mean(self, name: str) -> float:
        return nan_mean(self.metric_series(name))


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def nan_mean(values: np.ndarray) -> float:
    """Return the mean of the values that are not NaN, or NaN."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def nan_low_quantile(values: np.ndarray) -> float:
    """Return the 0.1 quantile of the values that are not NaN, or NaN."""
    known = values[~np.isnan(values)]
    return float(np.quantile(known, LOW_METRIC_QUANTILE)) if len(known) else math.nan


def find_weakest_tile_ratio(dream: Measurement, other: Measurement) -> tuple[float, int] | None:
    """Return the smallest residual of a tile, as a share of another dream's, and the tile's number.

    Each tile is taken over all frames, since a dream without carry has its forms elsewhere in each
    frame. See `mean_change_by_tile` for the numbers. None where the other one has no dream.
    """
    residuals, other_residuals = (
        np.mean([metrics.tiles for metrics in one.frame_metrics], axis=0) for one in (dream, other)
    )
    shares = np.where(
        other_residuals >= MIN_DREAM_RESIDUAL_LEVELS,
        residuals / np.maximum(other_residuals, MIN_DREAM_RESIDUAL_LEVELS),
        np.inf,
    )
    weakest = int(shares.argmin())
    return (float(shares[weakest]), weakest) if np.isfinite(shares[weakest]) else None


def compute_excess_flicker(dream: Measurement, naive: Measurement) -> float | None:
    """Return the excess flicker of a dream: 0 is none, 1 is all of a naive dream's.

    (E - E_source) / (E_naive - E_source), E being E_warp: the clip's own flicker is taken out.

    Args:
        dream: The dream to judge.
        naive: A dream of the same clip, each frame dreamed by itself.

    Returns:
        None where the naive dream does not flicker, or nothing can be compared.
    """
    own, other = dream.summarise(), naive.summarise()
    if "E_warp" not in own or "E_warp" not in other:
        return None
    naive_flicker = other["E_warp"] - other["E_warp of the source"]
    if naive_flicker <= MIN_NAIVE_FLICKER:
        return None
    return (own["E_warp"] - own["E_warp of the source"]) / naive_flicker
