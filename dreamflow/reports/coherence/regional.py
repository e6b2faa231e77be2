"""The metrics of a dream by region: on what moves by itself, on the rest, on vacated ground."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from dreamflow.core.opencv import cv2
from dreamflow.reports.coherence.regions import Regions

MOVING, REST, VACATED = "what moves", "the rest", "vacated ground"
REGION_NAMES = (MOVING, REST, VACATED)
MIN_MOVER_SHARE = 0.004
"""Smallest share of the frame of something that moves which is judged by itself."""


@dataclass(frozen=True)
class MoverMetrics:
    """One thing that moves, in one frame.

    Attributes:
        left: Of the middle, as a share of the frame's width.
        top: Of the middle, as a share of the frame's height.
        gain: What the dream gains of the objective there over its source, summed.
    """

    left: float
    top: float
    gain: float


@dataclass(frozen=True)
class RegionalMetrics:
    """The metrics of one dreamed frame by region; NaN where a region has none.

    Attributes:
        share: Share of the frame, by region.
        warp_error: E_warp to the frame before, by region.
        source_warp_error: The same of the source.
        gain: What the dream gains of the objective over its source, summed over the region; empty
            where no objective is measured.
        movers: What moves, one by one, in the order of the source's regions.
    """

    share: dict[str, float]
    warp_error: dict[str, float]
    source_warp_error: dict[str, float]
    gain: dict[str, float] = field(default_factory=dict[str, float])
    movers: tuple[MoverMetrics, ...] = ()


def region_masks(regions: Regions) -> dict[str, np.ndarray]:
    """Return the mask of each region by its name, bool (H, W)."""
    return {MOVING: regions.moving, REST: regions.rest, VACATED: regions.vacated}


def measure_regions(
    errors: np.ndarray | None, source_errors: np.ndarray | None, regions: Regions
) -> RegionalMetrics:
    """Return the metrics of a frame by region, without those of the objective.

    Args:
        errors: (H, W), error of the dream to the frame before, NaN where it cannot be compared;
            None where there is no frame before.
        source_errors: The same of the source.
        regions: The regions of the frame.
    """
    masks = region_masks(regions)
    return RegionalMetrics(
        {name: float(mask.mean()) for name, mask in masks.items()},
        {name: _mean_within(errors, mask) for name, mask in masks.items()},
        {name: _mean_within(source_errors, mask) for name, mask in masks.items()},
    )


def _mean_within(errors: np.ndarray | None, mask: np.ndarray) -> float:
    if errors is None:
        return math.nan
    known = errors[mask & ~np.isnan(errors)]
    return float(known.mean()) if known.size else math.nan


def with_gains(metrics: RegionalMetrics, gain: np.ndarray, regions: Regions) -> RegionalMetrics:
    """Return the metrics of a frame with what its dream gains of the objective.

    Args:
        metrics: The metrics without it.
        gain: (h, w), the dream's objective at each position, less the source's.
        regions: The regions of the frame.
    """
    sums = {name: _sum_within(gain, mask) for name, mask in region_masks(regions).items()}
    count, labels, stats, centres = cv2.connectedComponentsWithStats(
        regions.moving.astype(np.uint8), connectivity=4
    )
    height, width = regions.moving.shape
    movers = tuple(
        MoverMetrics(
            float(centres[number][0]) / width,
            float(centres[number][1]) / height,
            _sum_within(gain, labels == number),
        )
        for number in range(1, count)
        if stats[number][cv2.CC_STAT_AREA] >= MIN_MOVER_SHARE * height * width
    )
    return replace(metrics, gain=sums, movers=movers)


def flatten_regions(metrics: RegionalMetrics) -> dict[str, float]:
    """Return the metrics of a frame by plain names, such as `warp_error_moving`."""
    short_names = {MOVING: "moving", REST: "rest", VACATED: "vacated"}
    return {
        f"{name}_{short}": values[region]
        for name in ("share", "warp_error", "source_warp_error", "gain")
        for region, short in short_names.items()
        if region in (values := getattr(metrics, name))
    }


def _sum_within(gain: np.ndarray, mask: np.ndarray) -> float:
    shares = cv2.resize(
        mask.astype(np.float32), (gain.shape[1], gain.shape[0]), interpolation=cv2.INTER_AREA
    )
    return float((gain * shares).sum())


def gain_ratio(
    dream: Sequence[RegionalMetrics], other: Sequence[RegionalMetrics], region: str
) -> float | None:
    """Return what a dream gains of the objective in a region, as a share of another dream's.

    None where no objective was measured, or the other dream gains nothing there.
    """
    own = sum(metrics.gain.get(region, 0.0) for metrics in dream)
    others = sum(metrics.gain.get(region, 0.0) for metrics in other)
    return own / others if others > 0 else None


@dataclass(frozen=True)
class WeakestMover:
    """Where something that moves is dreamed weakest.

    Attributes:
        frame: Number of the frame among those measured.
        left: Of its middle, as a share of the frame's width.
        top: Of its middle, as a share of the frame's height.
        ratio: What it gains of the objective, as a share of another dream's there.
    """

    frame: int
    left: float
    top: float
    ratio: float


def find_weakest_mover(
    dream: Sequence[RegionalMetrics], other: Sequence[RegionalMetrics]
) -> WeakestMover | None:
    """Return where something that moves gains least of the objective against another dream."""
    found = [
        WeakestMover(number, own.left, own.top, own.gain / others.gain)
        for number, (here, there) in enumerate(zip(dream, other, strict=True))
        for own, others in zip(here.movers, there.movers, strict=True)
        if others.gain > 0
    ]
    return min(found, key=lambda mover: mover.ratio, default=None)
