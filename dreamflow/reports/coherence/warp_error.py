"""The warping error of Lai et al. 2018, and the other metrics of one dreamed frame.

E_warp of a pair of frames is the mean squared difference, RGB in [0, 1], between a frame and the
one before it, warped onto it along the *source's* optical flow, where that flow is neither occluded
nor at a motion boundary (Lai et al. 2018, "Learning Blind Video Temporal Consistency", section 4.1,
and its `evaluate_WarpError`; there the later frame is warped onto the earlier one).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dreamflow.core.imaging.arrays import as_array, as_tensor
from dreamflow.core.imaging.warp import warp
from dreamflow.core.opencv import cv2
from dreamflow.reports.coherence.regional import RegionalMetrics, measure_regions
from dreamflow.reports.coherence.regions import RegionFinder, Regions
from dreamflow.temporal.flow.estimators import dis_flow, to_gray
from dreamflow.temporal.flow.flow_pair import FlowPair
from dreamflow.temporal.motion.confidence import check_consistency

MOTION_BOUNDARY_RELATIVE = 0.01
MOTION_BOUNDARY_ABSOLUTE_PX2 = 0.002
"""A flow F has a motion boundary where |grad F|^2 > 0.01 |F|^2 + 0.002 pixels^2 (Lai et al.)."""
MIN_COMPARABLE_SHARE = 0.05
"""Share of the frame that must be comparable for a pair to have a long-term error."""
TILES_PER_SIDE = 4
"""Rows and columns of the grid of tiles in which bare parts of the frame are looked for."""
STRONG_TILE_QUANTILE = 0.9
"""Quantile of the tiles' residuals that counts as strong."""
MIN_DREAM_RESIDUAL_LEVELS = 2.0
"""Mean |residual|, in levels of 255, below which a change is encoding noise rather than a dream."""


def find_motion_boundaries(flow: np.ndarray) -> np.ndarray:
    """Return where a flow (H, W, 2) jumps: bool (H, W), |grad F|^2 > 0.01 |F|^2 + 0.002."""
    dy, dx = np.gradient(flow, axis=(0, 1))
    steepness = np.square(dx).sum(axis=-1) + np.square(dy).sum(axis=-1)
    size = np.square(flow).sum(axis=-1)
    return steepness > MOTION_BOUNDARY_RELATIVE * size + MOTION_BOUNDARY_ABSOLUTE_PX2


@dataclass(frozen=True)
class MaskedFlow:
    """Where a frame's pixels were in an earlier frame, and which of them can be compared.

    Attributes:
        flow: float32 (H, W, 2), (dx, dy) in pixels, from the later frame into the earlier one.
        mask: bool (H, W), False where the flow is occluded or at a motion boundary.
    """

    flow: np.ndarray
    mask: np.ndarray

    @classmethod
    def estimate(cls, before: np.ndarray, here: np.ndarray) -> MaskedFlow:
        """Return the flow from a frame to an earlier one, each uint8 (H, W) grey."""
        backward, forward = dis_flow(here, before), dis_flow(before, here)
        return cls(
            backward,
            check_consistency(FlowPair(backward, forward)) & ~find_motion_boundaries(backward),
        )

    @property
    def comparable_share(self) -> float:
        """Share of the frame that can be compared."""
        return float(self.mask.mean())

    def warp_error(self, before: np.ndarray, here: np.ndarray) -> float:
        """Return E_warp of two uint8 (H, W, 3) pictures; 0 where nothing can be compared."""
        if not self.mask.any():
            return 0.0
        return float(self.error_map(before, here)[self.mask].mean())

    def error_map(self, before: np.ndarray, here: np.ndarray) -> np.ndarray:
        """Return the squared difference of two uint8 (H, W, 3) pictures along the flow.

        Returns:
            float32 (H, W), the mean over RGB in [0, 1]; NaN where it cannot be compared.
        """
        image = as_tensor(before.astype(np.float32))
        warped = as_array(warp(image, as_tensor(self.flow), "linear"))
        squared = np.square((here.astype(np.float32) - warped) / 255).mean(axis=-1)
        return np.where(self.mask, squared, np.float32(np.nan))


def warp_error(sources: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> float:
    """Return E_warp of a clip without cuts: the mean over its pairs of frames.

    Args:
        sources: The source's frames, uint8 (H, W, 3) RGB.
        outputs: The frames to measure, alike.
    """
    errors: list[float] = []
    grays = [to_gray(picture) for picture in sources]
    for before, here, output_before, output_here in zip(
        grays, grays[1:], outputs, outputs[1:], strict=False
    ):
        flow = MaskedFlow.estimate(before, here)
        if flow.mask.any():
            errors.append(flow.warp_error(output_before, output_here))
    return float(np.mean(errors)) if errors else 0.0


def sharpness(picture: np.ndarray) -> float:
    """Return the variance of the Laplacian of a uint8 (H, W, 3) picture's luma, in levels^2."""
    return float(cv2.Laplacian(to_gray(picture).astype(np.float32), cv2.CV_32F).var())


def mean_change_by_tile(change: np.ndarray) -> tuple[float, ...]:
    """Return the mean |change| of each tile of a 4x4 grid, row by row from the upper left.

    Args:
        change: Dream minus source, float32 (H, W, 3), in levels of 255. A side of less than four
            pixels has fewer tiles.
    """
    size = np.abs(change).mean(axis=-1)
    rows, columns = (min(TILES_PER_SIDE, side) for side in size.shape)
    bands = np.array_split(size, rows, axis=0)
    return tuple(
        float(tile.mean()) for band in bands for tile in np.array_split(band, columns, axis=1)
    )


def weakest_tile_share(tiles: Sequence[float]) -> float:
    """Return the weakest tile as a share of the strong ones: 1 is even, 0 has a bare tile.

    The strong ones are the 0.9 quantile: a share of the mean would be the larger, the more of the
    frame is bare.

    Args:
        tiles: Mean |residual| of each tile, in levels of 255; see `mean_change_by_tile`.

    Returns:
        NaN where there is no dream at all.
    """
    strong = float(np.quantile(tiles, STRONG_TILE_QUANTILE))
    return min(tiles) / strong if strong >= MIN_DREAM_RESIDUAL_LEVELS else math.nan


@dataclass(frozen=True)
class FrameMetrics:
    """The metrics of one dreamed frame; NaN where it has none, such as on a shot's first frame.

    Attributes:
        cut: Whether the frame is the first of a shot.
        warp_error: E_warp of the dream to the frame before.
        source_warp_error: The same of the source.
        long_warp_error: E_warp of the dream to the first frame of the shot.
        source_long_warp_error: The same of the source.
        compared: Share of the frame that E_warp compares.
        residual: Mean |dream - source|, in levels of 255.
        tiles: The same by tile; see `mean_change_by_tile`.
        weakest: The weakest tile as a share of the strong ones; see `weakest_tile_share`.
        sharpness: Variance of the Laplacian of the dream, in levels^2.
        source_sharpness: The same of the source.
        red: Mean of dream - source in red, in levels.
        green: The same in green.
        blue: The same in blue.
        by_region: Metrics of what moves, of the rest, and of vacated ground.
    """

    cut: bool
    warp_error: float
    source_warp_error: float
    long_warp_error: float
    source_long_warp_error: float
    compared: float
    residual: float
    tiles: tuple[float, ...]
    weakest: float
    sharpness: float
    source_sharpness: float
    red: float
    green: float
    blue: float
    by_region: RegionalMetrics


class CoherenceMeter:
    """Measures dreams of one source frame by frame, estimating the source's flow only once.

    Holds the last frame and the first of the shot, each with its dreams.

    Attributes:
        regions: The regions of the last frame; None before the first.
    """

    def __init__(self) -> None:
        self._first_of_shot: SourceAndDreams | None = None
        self._previous: SourceAndDreams | None = None
        self.regions: Regions | None = None
        self._find_regions = RegionFinder()

    def __call__(
        self, source: np.ndarray, dreams: Sequence[np.ndarray], cut: bool
    ) -> MetricsPerDream:
        """Return the metrics of the next frame's dreams.

        Args:
            source: The frame, uint8 (H, W, 3) RGB.
            dreams: Its dreams, alike.
            cut: Whether the frame is the first of a shot.
        """
        pictures = [source, *dreams]
        cut = cut or self._first_of_shot is None
        if cut:
            self._previous = None
        flow = _flow_to(self._previous, source)
        is_second = self._first_of_shot is self._previous
        long_flow = flow if cut or is_second else _flow_to(self._first_of_shot, source)
        if long_flow and long_flow.comparable_share < MIN_COMPARABLE_SHARE:
            long_flow = None
        errors = _error_maps(flow, self._previous, pictures)
        long_errors = _error_maps(long_flow, self._first_of_shot, pictures)
        self.regions = self._find_regions(source, flow.flow if flow else None)
        self._previous = pictures
        if cut:
            self._first_of_shot = pictures
        compared = flow.comparable_share if flow else math.nan
        source_sharpness = sharpness(source)
        return [
            _measure_frame(
                source,
                dream,
                cut=cut,
                warp_error=_mean(errors[number]),
                source_warp_error=_mean(errors[0]),
                long_warp_error=_mean(long_errors[number]),
                source_long_warp_error=_mean(long_errors[0]),
                compared=compared,
                source_sharpness=source_sharpness,
                by_region=measure_regions(errors[number], errors[0], self.regions),
            )
            for number, dream in enumerate(dreams, start=1)
        ]


SourceAndDreams = list[np.ndarray]
"""A source frame and its dreams."""
MetricsPerDream = list[FrameMetrics]
"""The metrics of a frame, dream by dream."""


def _flow_to(earlier: SourceAndDreams | None, source: np.ndarray) -> MaskedFlow | None:
    if earlier is None:
        return None
    return MaskedFlow.estimate(to_gray(earlier[0]), to_gray(source))


def _error_maps(
    flow: MaskedFlow | None, earlier: SourceAndDreams | None, pictures: SourceAndDreams
) -> list[np.ndarray | None]:
    """Return the error of the source and of each dream along a flow; None where there is none."""
    if flow is None or earlier is None:
        return [None] * len(pictures)
    return [flow.error_map(*pair) for pair in zip(earlier, pictures, strict=True)]


def _mean(errors: np.ndarray | None) -> float:
    """Return E_warp of a map of errors: 0 where nothing can be compared, NaN without a map."""
    if errors is None:
        return math.nan
    known = errors[~np.isnan(errors)]
    return float(known.mean()) if known.size else 0.0


def _measure_frame(
    source: np.ndarray,
    dream: np.ndarray,
    *,
    by_region: RegionalMetrics,
    cut: bool,
    **metrics: float,
) -> FrameMetrics:
    """Return the metrics of a dream, of which those between frames are given."""
    change = dream.astype(np.float32) - source
    tiles = mean_change_by_tile(change)
    red, green, blue = (float(mean) for mean in change.mean(axis=(0, 1)))
    return FrameMetrics(
        cut=cut,
        residual=float(np.abs(change).mean()),
        tiles=tiles,
        weakest=weakest_tile_share(tiles),
        sharpness=sharpness(dream),
        red=red,
        green=green,
        blue=blue,
        by_region=by_region,
        **metrics,
    )
