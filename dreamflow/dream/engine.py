"""A dream over octaves: coarse to fine, each octave adding only its own change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from dreamflow.dream.ascent import ascend
from dreamflow.dream.objective import Objective
from dreamflow.options import DreamOptions


@dataclass(frozen=True)
class OctavePlan:
    """What is done at one size. octave: 0 is the full size, each next one `scale` smaller."""

    octave: int
    scale: float
    iterations: int
    step: float

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return this octave's (height, width) in pixels for a picture's."""
        ratio = self.scale**self.octave
        return max(1, round(height / ratio)), max(1, round(width / ratio))


def first_plan(options: DreamOptions) -> list[OctavePlan]:
    """Return the plan of a dream from nothing: the same iterations in every octave."""
    return [
        OctavePlan(octave, options.octave_scale, options.iterations, options.step)
        for octave in reversed(range(options.octaves))
    ]


def resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Return (1, C, H, W) resampled to (height, width): bicubic, antialiased."""
    if tuple(image.shape[2:]) == size:
        return image
    return F.interpolate(image, size, mode="bicubic", antialias=True, align_corners=False)


def dream(
    image: Tensor,
    objective: Objective,
    plan: Sequence[OctavePlan],
    jitter: int,
    key: tuple[int, ...],
    weight: Tensor | None = None,
) -> Tensor:
    """Dream on an image over the octaves of a plan, coarse to fine, and return the image reached.

    image: float32 (1, 3, H, W), RGB in [0, 1]. key: what the random shifts depend on, besides
    octave and iteration. weight: (1, 1, H, W) in [0, 1], where to dream; None is everywhere.

    Each octave works on the image resized down, and only its *change* is resized up and added, so
    detail that the image already holds is never resampled. Octaves too small for the layers are
    left out, but the full size never is: a picture too small for that raises SettingsError.
    """
    height, width = image.shape[2:]
    for octave in plan:
        size = octave.size(height, width)
        if octave.iterations == 0 or (octave.octave > 0 and min(size) < objective.smallest):
            continue
        small = resize(image, size).clamp(0.0, 1.0)
        masked = None if weight is None else resize(weight, size).clamp(0.0, 1.0)
        changed = ascend(
            small,
            objective,
            octave.iterations,
            octave.step,
            jitter,
            (*key, octave.octave),
            masked,
        )
        if octave.octave == 0:
            image = changed
        else:
            image = (image + resize(changed - small, (height, width))).clamp_(0.0, 1.0)
    return image
