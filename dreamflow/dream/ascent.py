"""Gradient ascent on one size of an image."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamflow.core.keyed_random import jitter_offset
from dreamflow.dream.gradient_shaping import GradientShaping
from dreamflow.dream.objective import Objective
from dreamflow.dream.progress import StepCallback, tick

FULL_SCALE_LEVELS = 255.0
"""Steps are given in 8-bit levels; images are in [0, 1]."""
TILE_SHIFT_POSITIONS = 256
"""To so many places, either way, the borders of tiles are moved, where there are any."""
AFFINE_RANDOM_KEY = -1
"""Keeps the random turns apart from the random shifts."""
NO_SHAPING = GradientShaping()


def ascend(
    image: Tensor,
    objective: Objective,
    iterations: int,
    step: float,
    jitter: int,
    key: tuple[int, ...],
    weight: Tensor | None = None,
    shaping: GradientShaping = NO_SHAPING,
    source: Tensor | None = None,
    on_step: StepCallback | None = None,
) -> Tensor:
    """Climb the objective from an image, and return the image reached.

    image: float32 (1, 3, H, W), RGB in [0, 1], where the result stays too. step: mean absolute
    change per iteration, in 8-bit levels. jitter: largest shift in pixels, at most a quarter of
    the side. key: what the shifts depend on, besides the iteration. weight: (1, 1, H, W) in
    [0, 1], how much of each step is taken where; None is all of it. source: what the image was
    before anything was dreamed on it; None is the image.
    """
    dims = (2, 3)
    jitter = min(jitter, min(image.shape[2:]) // 4)
    source = image if source is None else source
    for iteration in range(iterations):
        shift = jitter_offset(jitter, *key, iteration)
        down, across = jitter_offset(TILE_SHIFT_POSITIONS, *key, iteration, TILE_SHIFT_POSITIONS)
        moved = (down / TILE_SHIFT_POSITIONS, across / TILE_SHIFT_POSITIONS)
        seen = torch.roll(image, shift, dims)
        if shaping.random_affine is None:
            gradient = objective.gradient(seen, moved)
        else:
            turn = shaping.random_affine.sample((*key, iteration, AFFINE_RANDOM_KEY))
            gradient = turn.inverse(objective.gradient(turn.apply(seen), moved))
        gradient = torch.roll(gradient, (-shift[0], -shift[1]), dims)
        if shaping.changes_gradient or shaping.random_affine is not None:
            gradient = shaping.shape_gradient(gradient, image - source, step / FULL_SCALE_LEVELS)
        if weight is not None:
            gradient = gradient * weight
        image = (image + gradient * (step / FULL_SCALE_LEVELS)).clamp_(0.0, 1.0)
        if shaping.iteration_zoom != 1:
            image = shaping.zoom_residual(image, source, 1, weight)
        (on_step or tick)()
    return image
