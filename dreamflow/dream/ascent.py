"""Gradient ascent on one size of an image."""

from __future__ import annotations

import hashlib
import struct

import torch
from torch import Tensor

from dreamflow.dream.follow import stepped
from dreamflow.dream.objective import Objective

LEVELS = 255.0
"""Steps are given in 8-bit levels; images are in [0, 1]."""
BORDER_SHIFTS = 256
"""To so many places, either way, the borders of tiles are moved, where there are any."""


def jitter_offset(jitter: int, *key: int) -> tuple[int, int]:
    """Return a shift (dy, dx) in pixels, each from -jitter to jitter.

    A pure function of the key (seed, frame, octave, iteration), so that a resumed or distributed
    render shifts its frames alike, on every machine.
    """
    digest = hashlib.blake2b(struct.pack(f"<{len(key)}q", *key), digest_size=16).digest()
    first, second = struct.unpack("<2Q", digest)
    return first % (2 * jitter + 1) - jitter, second % (2 * jitter + 1) - jitter


def ascend(
    image: Tensor,
    objective: Objective,
    iterations: int,
    step: float,
    jitter: int,
    key: tuple[int, ...],
    weight: Tensor | None = None,
) -> Tensor:
    """Climb the objective from an image, and return the image reached.

    image: float32 (1, 3, H, W), RGB in [0, 1], where the result stays too. step: mean absolute
    change per iteration, in 8-bit levels. jitter: largest shift in pixels, at most a quarter of
    the side. key: what the shifts depend on, besides the iteration. weight: (1, 1, H, W) in
    [0, 1], how much of each step is taken where; None is all of it.
    """
    dims = (2, 3)
    jitter = min(jitter, min(image.shape[2:]) // 4)
    for iteration in range(iterations):
        shift = jitter_offset(jitter, *key, iteration)
        down, across = jitter_offset(BORDER_SHIFTS, *key, iteration, BORDER_SHIFTS)
        moved = (down / BORDER_SHIFTS, across / BORDER_SHIFTS)
        gradient = objective.gradient(torch.roll(image, shift, dims), moved)
        gradient = torch.roll(gradient, (-shift[0], -shift[1]), dims)
        if weight is not None:
            gradient = gradient * weight
        image = (image + gradient * (step / LEVELS)).clamp_(0.0, 1.0)
        stepped()
    return image
