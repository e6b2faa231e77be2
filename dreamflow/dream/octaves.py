"""A dream over octaves: coarse to fine, each octave adding only its own change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from dreamflow.dream.ascent import NO_SHAPING, ascend
from dreamflow.dream.gradient_shaping import GradientShaping
from dreamflow.dream.objective import Objective
from dreamflow.dream.options import DreamOptions
from dreamflow.dream.progress import StepCallback

MAX_TILT_RATIO = 16.0
"""At a tilt of 1 the steps of the coarsest octave are so many times those of the finest; at -1 it
is the other way round."""


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


def plan_octaves(options: DreamOptions) -> list[OctavePlan]:
    """Return the plan of a dream from nothing: the iterations of each octave, coarse to fine."""
    if options.iterations == 0:
        return []
    return [
        OctavePlan(
            octave, options.octave_scale, count, options.step * octave_tilt_factor(options, octave)
        )
        for octave, count in zip(
            reversed(range(options.octaves)), options.iterations_by_octave, strict=True
        )
    ]


def octave_tilt_factor(options: DreamOptions, octave: int) -> float:
    """Return how many steps of the options a step in an octave is; 0 is the full size.

    Their mean over the octaves is 1.
    """
    coarsest = options.octaves - 1
    if not coarsest:
        return 1.0
    curve = [MAX_TILT_RATIO ** (options.octave_tilt * k / coarsest) for k in range(coarsest + 1)]
    return curve[octave] * len(curve) / sum(curve)


def octave_step_factor(options: DreamOptions, octave: int) -> float:
    """Return the same where the iterations are not those of the first plan.

    The share that the octave has there of all iterations comes in, against an equal share.
    """
    counts = options.iterations_by_octave
    share = counts[-1 - octave] * len(counts) / max(1, sum(counts))
    return share * octave_tilt_factor(options, octave)


def resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Return (1, C, H, W) resampled to (height, width): bicubic, antialiased."""
    if tuple(image.shape[2:]) == size:
        return image
    return F.interpolate(image, size, mode="bicubic", antialias=True, align_corners=False)


def dream_octaves(
    image: Tensor,
    objective: Objective,
    plan: Sequence[OctavePlan],
    jitter: int,
    key: tuple[int, ...],
    weight: Tensor | None = None,
    shaping: GradientShaping = NO_SHAPING,
    source: Tensor | None = None,
    on_step: StepCallback | None = None,
) -> Tensor:
    """Dream on an image over the octaves of a plan, coarse to fine, and return the image reached.

    image: float32 (1, 3, H, W), RGB in [0, 1]. key: what the random shifts depend on, besides
    octave and iteration. weight: (1, 1, H, W), size of the steps at each pixel, in those of the plan;
    None is 1 everywhere.
    source: what the image was before anything was dreamed on it; None is the image.

    Each octave works on the image resized down, and only its *change* is resized up and added, so
    detail that the image already holds is never resampled. Octaves too small for the layers are
    left out, but the full size never is: a picture too small for that raises SettingsError.
    """
    height, width = image.shape[2:]
    source = image if source is None else source
    for octave in plan:
        size = octave.size(height, width)
        if octave.iterations == 0 or (octave.octave > 0 and min(size) < objective.min_side_px):
            continue
        small = resize(image, size).clamp(0.0, 1.0)
        masked = None if weight is None else resize(weight, size).clamp_min(0.0)
        begun = resize(source, size).clamp(0.0, 1.0) if shaping.needs_source else small
        changed = ascend(
            small,
            objective,
            octave.iterations,
            octave.step,
            jitter,
            (*key, octave.octave),
            masked,
            shaping,
            begun,
            on_step,
        )
        if octave.octave == 0:
            image = changed
            continue
        if shaping.iteration_zoom != 1:
            # What the image held moves at full size, so that it is not resampled through a small.
            small = shaping.zoom_residual(small, begun, octave.iterations, masked)
            image = shaping.zoom_residual(image, source, octave.iterations, weight)
        image = (image + resize(changed - small, (height, width))).clamp_(0.0, 1.0)
    return shaping.apply_colour(image, source)
