"""Gradient ascent on one size of an image."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamflow.dream.chance import jitter_offset
from dreamflow.dream.follow import stepped
from dreamflow.dream.objective import Objective
from dreamflow.dream.shaping import Shaping

LEVELS = 255.0
"""Steps are given in 8-bit levels; images are in [0, 1]."""
BORDER_SHIFTS = 256
"""To so many places, either way, the borders of tiles are moved, where there are any."""
TURN_KEY = -1
"""Keeps the random turns apart from the random shifts."""
PLAIN = Shaping()


def ascend(
    image: Tensor,
    objective: Objective,
    iterations: int,
    step: float,
    jitter: int,
    key: tuple[int, ...],
    weight: Tensor | None = None,
    shaping: Shaping = PLAIN,
    source: Tensor | None = None,
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
        down, across = jitter_offset(BORDER_SHIFTS, *key, iteration, BORDER_SHIFTS)
        moved = (down / BORDER_SHIFTS, across / BORDER_SHIFTS)
        seen = torch.roll(image, shift, dims)
        if shaping.turning is None:
            gradient = objective.gradient(seen, moved)
        else:
            turn = shaping.turning.drawn((*key, iteration, TURN_KEY))
            gradient = turn.back(objective.gradient(turn.there(seen), moved))
        gradient = torch.roll(gradient, (-shift[0], -shift[1]), dims)
        if shaping.reshapes or shaping.turning is not None:
            gradient = shaping.shaped(gradient, image - source, step / LEVELS)
        if weight is not None:
            gradient = gradient * weight
        image = (image + gradient * (step / LEVELS)).clamp_(0.0, 1.0)
        if shaping.zoom != 1:
            image = shaping.flowing(image, source, 1, weight)
        stepped()
    return image
