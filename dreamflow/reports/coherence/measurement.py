"""A dream measured against its source: the figures of each frame, and of the whole."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from dreamflow.core.errors import DreamFlowWarning, MediaError
from dreamflow.core.tensors import picture_to_tensor
from dreamflow.core.wording import format_count
from dreamflow.dream.objective import Objective
from dreamflow.media.read.clip import Clip
from dreamflow.reports.coherence.warp_error import (
    MIN_DREAM_RESIDUAL_LEVELS,
    CoherenceMeter,
    FrameMetrics,
)
from dreamflow.temporal.shots import Mark, find_shots, marked_at

SLICE_HEIGHT_SHARE = 0.5
"""Share of the height at which the x-t slice is cut."""
WEAKEST_TILE_METRIC = "weakest tile / strong"
"""What is said of how evenly the frame is dreamed."""
RESIDUAL_TREND_METRIC = "residual, end / beginning"
"""What is said of whether a dream stays as strong over a shot."""
TREND_WINDOW_S = 1
"""Seconds of the beginning and of the end that are compared."""
MIN_TREND_SHOT_S = 2
"""A shot shorter than this has no beginning and end that could differ."""
LOW_METRIC_QUANTILE = 0.1
"""Of the frames, for which a low figure counts."""
ObjectiveAtTime = Callable[[Fraction], Objective]
"""Called with the seconds from the first frame: what is climbed then."""


@dataclass
class Measurement:
    """The figures of a dream. objective: of dream and source per frame, or empty.

    slices: (source, dream), each uint8 (frames, W, 3): one row of every frame, under each other.
    """

    name: str
    frame_indices: list[int] = field(default_factory=list)
    frame_times_s: list[Fraction] = field(default_factory=list)
    frame_metrics: list[FrameMetrics] = field(default_factory=list)
    objective: list[float] = field(default_factory=list)
    source_objective: list[float] = field(default_factory=list)
    slice_rows: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)

    @property
    def xt_slices(self) -> tuple[np.ndarray, np.ndarray]:
        """The x-t slices of source and dream, uint8 (frames, W, 3)."""
        sources, dreams = zip(*self.slice_rows, strict=True)
        return np.stack(sources), np.stack(dreams)

    @property
    def cut_times_s(self) -> list[float]:
        """The times in seconds at which new shots begin, but for the first."""
        pairs = list(zip(self.frame_times_s, self.frame_metrics, strict=True))[1:]
        return [float(time) for time, figures in pairs if figures.cut]

    def metric_series(self, name: str) -> np.ndarray:
        """Return one figure of every frame, float64 (frames,)."""
        return np.array([getattr(figures, name) for figures in self.frame_metrics], np.float64)

    def to_rows(self) -> list[dict[str, Any]]:
        """Return the figures of each frame as plain values, None for those it has not."""
        rows: list[dict[str, Any]] = []
        for number, figures in enumerate(self.frame_metrics):
            row: dict[str, Any] = {
                "frame": self.frame_indices[number],
                "time_s": round(float(self.frame_times_s[number]), 6),
                **asdict(figures),
            }
            del row["tiles"]
            if self.objective:
                row["objective"] = self.objective[number]
                row["source_objective"] = self.source_objective[number]
            rows.append({k: None if _is_nan(v) else v for k, v in row.items()})
        return rows

    def colour_drift(self) -> float:
        """Return the largest change of the dream's mean colour within a shot, in levels.

        Of dream - source, against the first frame of the shot, in the channel that changes most.
        """
        drift, first = 0.0, np.zeros(3)
        for figures in self.frame_metrics:
            colour = np.array([figures.red, figures.green, figures.blue])
            first = colour if figures.cut else first
            drift = max(drift, float(np.abs(colour - first).max()))
        return drift

    def residual_trend(self) -> float:
        """Return the residual of a shot's last second, of its first; NaN where all are short.

        The lowest of the shots': what fades in one does not grow in another to make up for it.
        """
        begins = [n for n, figures in enumerate(self.frame_metrics) if figures.cut]
        residual, found = self.metric_series("residual"), [math.nan]
        for begin, end in zip(begins, [*begins[1:], len(self.frame_times_s)], strict=True):
            times = [
                float(time - self.frame_times_s[begin]) for time in self.frame_times_s[begin:end]
            ]
            if times[-1] < MIN_TREND_SHOT_S:
                continue
            times, shot = np.array(times), residual[begin:end]
            late = shot[times >= times[-1] - TREND_WINDOW_S].mean()
            early = shot[times < TREND_WINDOW_S].mean()
            found.append(float(late / early) if early >= MIN_DREAM_RESIDUAL_LEVELS else math.nan)
        return float(np.nanmin(found)) if not np.isnan(found).all() else math.nan

    def summarise(self) -> dict[str, float]:
        """Return the figures of the whole; those that it has not are left out."""
        found = {
            "frames": float(len(self.frame_metrics)),
            "E_warp": nan_mean(self.metric_series("warp_error")),
            "E_warp of the source": nan_mean(self.metric_series("source_warp_error")),
            "E_warp, long-term": nan_mean(self.metric_series("long_warp_error")),
            "E_warp of the source, long-term": nan_mean(
                self.metric_series("source_long_warp_error")
            ),
            "share compared": nan_mean(self.metric_series("compared")),
            "mean |residual|, levels": nan_mean(self.metric_series("residual")),
            RESIDUAL_TREND_METRIC: self.residual_trend(),
            WEAKEST_TILE_METRIC: nan_low_quantile(self.metric_series("weakest")),
            "sharpness / source": nan_mean(self.metric_series("sharpness"))
            / max(1e-9, nan_mean(self.metric_series("source_sharpness"))),
            "colour drift, levels": self.colour_drift(),
        }
        if found["E_warp of the source"] > 0:
            found["E_warp / source"] = found["E_warp"] / found["E_warp of the source"]
        if self.objective:
            found["objective"] = nan_mean(np.array(self.objective))
            found["objective / source"] = found["objective"] / max(
                1e-12, nan_mean(np.array(self.source_objective))
            )
        return {name: value for name, value in found.items() if not math.isnan(value)}


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def nan_mean(values: np.ndarray) -> float:
    """Return the mean of what is not NaN, or NaN."""
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if len(kept) else float("nan")


def nan_low_quantile(values: np.ndarray) -> float:
    """Return what a tenth of those that are not NaN are below, or NaN."""
    kept = values[~np.isnan(values)]
    return float(np.quantile(kept, LOW_METRIC_QUANTILE)) if len(kept) else float("nan")


def find_weakest_tile_ratio(dream: Measurement, other: Measurement) -> tuple[float, int] | None:
    """Return the residual of the tile that holds the least of another dream's there, as a share.

    Each tile over all frames, since a dream by itself puts its creatures elsewhere in each. Beside
    it the tile's number (see `by_tile`). None where the other has no dream.
    """
    mine, theirs = (
        np.mean([figures.tiles for figures in one.frame_metrics], axis=0) for one in (dream, other)
    )
    shares = np.where(
        theirs >= MIN_DREAM_RESIDUAL_LEVELS,
        mine / np.maximum(theirs, MIN_DREAM_RESIDUAL_LEVELS),
        np.inf,
    )
    least = int(shares.argmin())
    return (float(shares[least]), least) if np.isfinite(shares[least]) else None


def compute_excess_flicker(dream: Measurement, naive: Measurement) -> float | None:
    """Return the share of a naive dream's flicker that is left: 0 is none, 1 is all of it.

    (E - E of the source) / (E naive - E of the source): what the clip itself brings is taken out.
    None where the naive dream does not flicker, or nothing can be compared.
    """
    parts, others = dream.summarise(), naive.summarise()
    if "E_warp" not in parts or "E_warp" not in others:
        return None
    source = parts["E_warp of the source"]
    added = others["E_warp"] - others["E_warp of the source"]
    return (parts["E_warp"] - source) / added if added > 1e-9 else None


def measure_coherence(
    source: Clip,
    dreams: Sequence[Clip],
    objective: ObjectiveAtTime | None = None,
    cuts: Sequence[Fraction] | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Measurement]:
    """Measure dreams against the clip that they were made from, frame by frame, side by side.

    All must have frames of one size. cuts: times of new shots in the source; None finds them.
    Raises MediaError where the sizes differ, or there is no frame to compare.
    """
    for dream in dreams:
        if (source.width, source.height) != (dream.width, dream.height):
            raise MediaError(
                f"{source.path} is {source.width}x{source.height}, {dream.path} is "
                f"{dream.width}x{dream.height}: they cannot be compared"
            )
    found, meter = [Measurement(dream.path.name) for dream in dreams], CoherenceMeter()
    marked = find_shots(source) if cuts is None else marked_at(source, cuts)
    done = 0
    for (frame, mark), *dreamed in zip(marked, *dreams, strict=False):
        pictures = [other.picture for other in dreamed]
        figures = meter(frame.picture, pictures, mark is Mark.CUT)
        row = int(SLICE_HEIGHT_SHARE * frame.picture.shape[0])
        values: list[float] = []
        if objective:
            now = objective(frame.time)
            images = (
                picture_to_tensor(picture, now.device) for picture in (frame.picture, *pictures)
            )
            values = [now.value(image) for image in images]
        for number, (measured, picture) in enumerate(zip(found, pictures, strict=True)):
            measured.frame_indices.append(frame.index)
            measured.frame_times_s.append(frame.time)
            measured.frame_metrics.append(figures[number])
            measured.slice_rows.append((frame.picture[row].copy(), picture[row].copy()))
            measured.source_objective += values[:1]
            measured.objective += values[number + 1 : number + 2]
        done += 1
        progress(done)
    if not done:
        names = " and ".join(str(clip.path) for clip in (source, *dreams))
        raise MediaError(f"{names} have no frame to compare")
    clips = [source, *dreams]
    if len({len(clip) for clip in clips}) > 1:
        told = ", ".join(
            f"{clip.path.name} has {format_count(len(clip), 'frame')}" for clip in clips
        )
        warnings.warn(f"{told}: the first {done} are compared", DreamFlowWarning, 2)
    return found
