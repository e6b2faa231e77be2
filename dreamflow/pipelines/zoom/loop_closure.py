"""The closure of a looped zoom: its first image is met again, deep inside the last.

The first image lies ahead of the camera. It fades in while the camera approaches it, and at the
last tick it fills the view.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dreamflow.pipelines.zoom.camera import SimilarityTransform, transform_pixel_grid, warp_view

FIRST_VISIBLE_SCALE = 1 / 8
"""Scale of the first image at which it begins to fade in, as a share of its full size."""
EARLIEST_START_SHARE = 0.5
"""Share of the zoom's ticks before which it does not fade in."""
FADE_IN_SHARE = 0.4
"""Share of the way from its first sight to the end over which its blend rate rises to full."""
INITIAL_FEATHER_WIDTH = 0.7
"""Width of its soft border at first sight, in units of its half sides; it narrows to 0."""
FINAL_OVERREACH = 0.25
"""How far its border lies beyond the middle of its sides at the end, in the same units."""
SUPERELLIPSE_EXPONENT = 4
"""Exponent of its outline |x|^n + |y|^n = r^n: 2 is an ellipse, a large one a rectangle."""


class LoopClosure:
    """Blends the states of a zoom towards its first state, where that lies in each of them."""

    def __init__(
        self,
        first_state: Tensor,
        origin: complex,
        transforms: Sequence[SimilarityTransform],
        tick_s: float,
    ) -> None:
        """Compute how much of the camera's path is left at each tick.

        Args:
            first_state: float32 (1, 3, H, W), the state of the first tick.
            origin: Where the frame's first pixel lies in it, in pixels.
            transforms: Movements of the camera, from each tick to the next.
            tick_s: Seconds between two ticks.
        """
        self.first_state, self._origin, self._tick_s = first_state, origin, tick_s
        self._remaining_transforms = [SimilarityTransform()]
        for transform in reversed(transforms):
            self._remaining_transforms.append(transform.then(self._remaining_transforms[-1]))
        self._remaining_transforms.reverse()
        self._ticks = len(transforms)
        self._start_tick = next(
            tick
            for tick, remaining in enumerate(self._remaining_transforms)
            if tick >= EARLIEST_START_SHARE * self._ticks
            and abs(remaining.scale_rotation) >= FIRST_VISIBLE_SCALE
        )

    def blend_toward_first(self, state: Tensor, tick: int, origin: complex) -> Tensor:
        """Blend a state towards the first one, where that lies in it.

        state += (1 - (1 - rate) ** tick_s) * (first state as seen from here - state), where the
        rate, a share a second, falls from the first state's middle to its border. At the last tick
        the result is the first state itself.

        Args:
            state: float32 (1, 3, H, W), the state of the tick.
            tick: Number of the tick.
            origin: Where the frame's first pixel lies in the state, in pixels.

        Returns:
            float32 (1, 3, H, W).
        """
        if tick == self._ticks:
            return self.first_state
        if tick <= self._start_tick:
            return state
        progress = (tick - self._start_tick) / (self._ticks - self._start_tick)
        height, width = state.shape[2:]
        transform = self._remaining_transforms[tick].inverse().with_origins(self._origin, origin)
        positions = transform_pixel_grid(transform, width, height, state.device)
        weight = 1 - (1 - self._blend_rate(positions, progress)) ** self._tick_s
        first_view = warp_view(self.first_state, transform, width, height)
        return state + weight.to(state.dtype) * (first_view - state)

    def _blend_rate(self, positions: Tensor, progress: float) -> Tensor:
        """Return the share of the difference that goes in a second: (1, 1, h, w), 0 to 1."""
        height, width = self.first_state.shape[2:]
        across = 2 * positions[:, :1] / (width - 1) - 1
        down = 2 * positions[:, 1:] / (height - 1) - 1
        radius = (across**SUPERELLIPSE_EXPONENT + down**SUPERELLIPSE_EXPONENT) ** (
            1 / SUPERELLIPSE_EXPONENT
        )
        inside = 1 + FINAL_OVERREACH * progress**2 - radius
        feather = INITIAL_FEATHER_WIDTH * (1 - progress**2)
        fade_in = smoothstep(torch.full_like(radius[:1, :1, :1, :1], progress / FADE_IN_SHARE))
        return smoothstep(inside / feather) * fade_in


def smoothstep(share: Tensor) -> Tensor:
    """Return 0 below 0, 1 above 1, and 3 x^2 - 2 x^3 between."""
    share = share.clamp(0, 1)
    return share * share * (3 - 2 * share)
