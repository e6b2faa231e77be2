"""Figures of coherence: the warping error of Lai et al. 2018, and what goes with it.

E_warp of a pair of frames is the mean squared difference, RGB in [0, 1], between a frame and the
one before it, warped onto it along the *source's* optical flow, where that flow is neither occluded
nor at a motion boundary (Lai et al. 2018, "Learning Blind Video Temporal Consistency", section 4.1,
and its `evaluate_WarpError`; there the later frame is warped onto the earlier one).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dreamflow.core.opencv import cv2
from dreamflow.temporal.confidence import check_consistency, flow_positions
from dreamflow.temporal.flow.estimators import dis_flow, to_gray
from dreamflow.temporal.motion import FlowPair

MOTION_BOUNDARY_RELATIVE = 0.01
MOTION_BOUNDARY_ABSOLUTE_PX2 = 0.002
MIN_COMPARABLE_SHARE = 0.05
"""A pair of which less than this can be compared has no long-term error."""
TILES_PER_SIDE = 4
"""Across and down, of the grid in which it is looked for a part of the frame without a dream."""
STRONG_TILE_QUANTILE = 0.9
"""Share of the tiles that are weaker than those that count as strong."""
MIN_DREAM_RESIDUAL_LEVELS = 2.0
"""Levels: what is changed less is not dreamed, but encoded."""


def find_motion_boundaries(flow: np.ndarray) -> np.ndarray:
    """Return bool (H, W): where a flow (H, W, 2) jumps, |grad F|^2 > 0.01 |F|^2 + 0.002."""
    dy, dx = np.gradient(flow, axis=(0, 1))
    steepness = np.square(dx).sum(axis=-1) + np.square(dy).sum(axis=-1)
    size = np.square(flow).sum(axis=-1)
    return steepness > MOTION_BOUNDARY_RELATIVE * size + MOTION_BOUNDARY_ABSOLUTE_PX2


@dataclass(frozen=True)
class MaskedFlow:
    """Where a frame's pixels were in an earlier one. flow: (H, W, 2); mask: bool (H, W)."""

    flow: np.ndarray
    mask: np.ndarray

    @classmethod
    def estimate(cls, before: np.ndarray, here: np.ndarray) -> MaskedFlow:
        """Return the track from a frame to an earlier one, each uint8 (H, W) grey."""
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
        x, y = flow_positions(self.flow)
        warped = cv2.remap(
            before.astype(np.float32), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        squared = np.square((here.astype(np.float32) - warped) / 255).mean(axis=-1)
        return float(squared[self.mask].mean())


def warp_error(sources: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> float:
    """Return E_warp of a clip without cuts: the mean over its pairs of frames.

    sources, outputs: uint8 (H, W, 3) RGB frames, pair by pair.
    """
    errors: list[float] = []
    grays = [to_gray(picture) for picture in sources]
    for before, here, output_before, output_here in zip(
        grays, grays[1:], outputs, outputs[1:], strict=False
    ):
        track = MaskedFlow.estimate(before, here)
        if track.mask.any():
            errors.append(track.warp_error(output_before, output_here))
    return float(np.mean(errors)) if errors else 0.0


def sharpness(picture: np.ndarray) -> float:
    """Return the variance of the Laplacian of a uint8 (H, W, 3) picture's luma, in levels^2."""
    return float(cv2.Laplacian(to_gray(picture).astype(np.float32), cv2.CV_32F).var())


def mean_change_by_tile(change: np.ndarray) -> tuple[float, ...]:
    """Return the mean |change| of each tile of 4x4, or fewer, from the upper left, row by row.

    change: dream - source, (H, W, 3), in levels.
    """
    size = np.abs(change).mean(axis=-1)
    down, across = (min(TILES_PER_SIDE, side) for side in size.shape)
    rows = np.array_split(size, down, axis=0)
    return tuple(float(tile.mean()) for row in rows for tile in np.array_split(row, across, axis=1))


def weakest_tile_share(tiles: Sequence[float]) -> float:
    """Return the weakest of some tiles (see `by_tile`) as a share of the strong ones.

    1 is even, 0 has a tile without a dream; NaN where there is no dream at all. A share of the mean
    would be larger, the more of the frame is bare.
    """
    strong = float(np.quantile(tiles, STRONG_TILE_QUANTILE))
    return min(tiles) / strong if strong >= MIN_DREAM_RESIDUAL_LEVELS else float("nan")


@dataclass(frozen=True)
class FrameMetrics:
    """The figures of one dreamed frame; NaN where it has none, as the first frame of a shot.

    warp_error, source_warp_error: E_warp to the frame before, of the dream and of the source.
    long_warp_error, source_long_warp_error: the same to the first frame of the shot. compared:
    share of the frame that E_warp looks at. residual: mean |dream - source|, in levels of 255.
    tiles: the same by tile, see `by_tile`; weakest: see `weakest_tile`. sharpness,
    source_sharpness: variance of the Laplacian. red, green, blue: mean of dream - source, in
    levels.
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


class CoherenceMeter:
    """Measures dreams of one source, frame after frame, so that its flow is estimated once.

    Holds the last frame and the first of the shot, each with its dreams.
    """

    def __init__(self) -> None:
        self._first_of_shot: SourceAndDreams | None = None
        self._previous: SourceAndDreams | None = None

    def __call__(
        self, source: np.ndarray, dreams: Sequence[np.ndarray], cut: bool
    ) -> MetricsPerDream:
        """Return the figures of the next frame's dreams, all uint8 (H, W, 3) of one size."""
        cut = cut or self._first_of_shot is None
        gray = to_gray(source)
        short = long = None
        if not cut and self._previous is not None and self._first_of_shot is not None:
            short = long = MaskedFlow.estimate(to_gray(self._previous[0]), gray)
            if self._first_of_shot is not self._previous:
                long = MaskedFlow.estimate(to_gray(self._first_of_shot[0]), gray)
        here = [source, *dreams]
        near = _warp_errors(short, self._previous, here)
        far = _warp_errors(
            long if long and long.comparable_share >= MIN_COMPARABLE_SHARE else None,
            self._first_of_shot,
            here,
        )
        self._previous = here
        if cut:
            self._first_of_shot = here
        source_sharpness = sharpness(source)
        found: MetricsPerDream = []
        for number, dream in enumerate(dreams, start=1):
            change = dream.astype(np.float32) - source
            tiles = mean_change_by_tile(change)
            red, green, blue = (float(v) for v in change.mean(axis=(0, 1)))
            figures = FrameMetrics(
                cut=cut,
                warp_error=near[number],
                source_warp_error=near[0],
                long_warp_error=far[number],
                source_long_warp_error=far[0],
                compared=short.comparable_share if short else float("nan"),
                residual=float(np.abs(change).mean()),
                tiles=tiles,
                weakest=weakest_tile_share(tiles),
                sharpness=sharpness(dream),
                source_sharpness=source_sharpness,
                red=red,
                green=green,
                blue=blue,
            )
            found.append(figures)
        return found


SourceAndDreams = list[np.ndarray]
"""A source frame and its dreams."""
MetricsPerDream = list[FrameMetrics]


def _warp_errors(
    track: MaskedFlow | None, before: SourceAndDreams | None, here: SourceAndDreams
) -> list[float]:
    """Return E_warp of the source and each dream along a track; NaN where there is none."""
    if track is None or before is None:
        return [float("nan")] * len(here)
    return [track.warp_error(*pair) for pair in zip(before, here, strict=True)]
