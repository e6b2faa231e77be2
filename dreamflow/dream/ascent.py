"""Gradient ascent at one size of an image."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamflow.core.imaging.masks import repeat_channels
from dreamflow.core.keyed_random import jitter_offset
from dreamflow.dream.gradient_shaping import GradientShaping
from dreamflow.dream.objective.objective import Objective
from dreamflow.dream.progress import StepCallback

FULL_SCALE_LEVELS = 255.0
"""8-bit levels of full scale: steps are in levels, images in [0, 1]."""
TILE_SHIFT_POSITIONS = 256
"""Number of tile-border positions to each side of the unshifted border."""
AFFINE_RANDOM_KEY = -1
"""Last part of the key of random affine transforms, so that they are independent of the jitter."""
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
    momentum: float = 0.0,
) -> Tensor:
    """Climb an objective from an image, and return the image reached.

    Args:
        image: (1, 3, H, W) float32 RGB in [0, 1], where the result stays too.
        objective: What is maximised.
        iterations: Number of steps.
        step: Mean absolute change per iteration, in 8-bit levels.
        jitter: Largest random shift before each step, in pixels; at most a quarter of the shorter
            side is used.
        key: Key of the randomness, besides the iteration.
        weight: (1, 1, H, W) in [0, 1], share of each step that is taken; None for all of it.
        shaping: How gradients are changed before a step.
        source: (1, 3, H, W), the image before anything was dreamed on it; None for `image`.
        on_step: Called after each step.
        momentum: Share of each change that the next one goes on with, 0 to below 1; the gradient is
            that of where it leads (Nesterov 1983).

    Returns:
        (1, 3, H, W) float32.
    """
    dims = (2, 3)
    jitter = min(jitter, min(image.shape[2:]) // 4)
    source = image if source is None else source
    sizes = None if weight is None else repeat_channels(weight, image)
    onward: Tensor | None = None
    for iteration in range(iterations):
        shift = jitter_offset(jitter, *key, iteration)
        down, across = jitter_offset(TILE_SHIFT_POSITIONS, *key, iteration, TILE_SHIFT_POSITIONS)
        tile_shift = (down / TILE_SHIFT_POSITIONS, across / TILE_SHIFT_POSITIONS)
        ahead = image if onward is None else image + onward
        shifted = torch.roll(ahead, shift, dims)
        if shaping.random_affine is None:
            gradient = objective.gradient(shifted, tile_shift, step / FULL_SCALE_LEVELS)
        else:
            affine = shaping.random_affine.sample((*key, iteration, AFFINE_RANDOM_KEY))
            turned = affine.apply(shifted)
            gradient = affine.inverse(
                objective.gradient(turned, tile_shift, step / FULL_SCALE_LEVELS)
            )
        gradient = torch.roll(gradient, (-shift[0], -shift[1]), dims)
        if shaping.changes_gradient or shaping.random_affine is not None:
            gradient = shaping.shape_gradient(gradient, ahead - source, step / FULL_SCALE_LEVELS)
        if sizes is not None:
            gradient = gradient * sizes
        change = gradient * (step / FULL_SCALE_LEVELS)
        if momentum:
            change = change if onward is None else change + onward
            onward = change * momentum
        image = (image + change).clamp_(0.0, 1.0)
        if shaping.iteration_zoom != 1:
            image = shaping.zoom_residual(image, source, 1, weight)
        if on_step is not None:
            on_step()
    return image
