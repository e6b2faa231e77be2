"""A dream over octaves, coarse to fine, each of which adds only its own change."""

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
"""Step of the coarsest octave divided by that of the finest at an octave tilt of 1; at a tilt of -1
it is the inverse."""


@dataclass(frozen=True)
class OctavePlan:
    """Gradient ascent at one size.

    Attributes:
        octave: 0 is the full size; each next octave is smaller by `scale`.
        scale: Ratio of one size to the next.
        iterations: Number of steps.
        step: Mean absolute change of a step, in 8-bit levels.
    """

    octave: int
    scale: float
    iterations: int
    step: float

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return the (height, width) of the octave, in pixels, for a picture of that size."""
        ratio = self.scale**self.octave
        return max(1, round(height / ratio)), max(1, round(width / ratio))


def plan_octaves(options: DreamOptions) -> list[OctavePlan]:
    """Return the octaves of a dream that starts from its source, coarse to fine."""
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
    """Return the factor on the step of an octave, 0 being the full size.

    It is `MAX_TILT_RATIO ** (tilt * octave / (octaves - 1))`, scaled so that its mean over the
    octaves is 1.
    """
    coarsest = options.octaves - 1
    if not coarsest:
        return 1.0
    curve = [MAX_TILT_RATIO ** (options.octave_tilt * k / coarsest) for k in range(coarsest + 1)]
    return curve[octave] * len(curve) / sum(curve)


def octave_step_factor(options: DreamOptions, octave: int) -> float:
    """Return the factor on the step of an octave in a plan with other iterations than the first.

    It is the tilt factor times the octave's share of all iterations, relative to an equal share.
    """
    counts = options.iterations_by_octave
    share = counts[-1 - octave] * len(counts) / max(1, sum(counts))
    return share * octave_tilt_factor(options, octave)


def resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Return an image (1, C, H, W) resampled to (height, width): bicubic, antialiased."""
    if tuple(image.shape[2:]) == size:
        return image
    return F.interpolate(image, size, mode="bicubic", antialias=True, align_corners=False)


def resize_image(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Return an image (1, 3, H, W) in [0, 1] resampled to (height, width), within [0, 1] again."""
    resized = resize(image, size)
    return resized if resized is image else resized.clamp_(0.0, 1.0)


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
    """Dream on an image over the octaves of a plan, and return the image reached.

    Each octave works on the image resized down, and only its change is resized up and added, so
    detail that the image already has is never resampled. Octaves too small for the layers are
    skipped; the full size is not.

    Args:
        image: (1, 3, H, W) float32 RGB in [0, 1].
        objective: What is maximised.
        plan: The octaves, coarse to fine.
        jitter: Largest random shift before each step, in pixels.
        key: Key of the randomness, besides octave and iteration.
        weight: (1, 1, H, W), factor on the steps at each pixel, 0 or more; None for 1.
        shaping: How gradients and the dream are shaped.
        source: (1, 3, H, W), the image before anything was dreamed on it; None for `image`.
        on_step: Called after each step.

    Returns:
        (1, 3, H, W) float32 RGB in [0, 1].

    Raises:
        SettingsError: The full size is too small for a layer.
    """
    source = image if source is None else source
    for octave in plan:
        size = octave.size(*image.shape[2:])
        if octave.octave > 0 and min(size) < objective.min_side_px:
            continue
        if octave.iterations:
            image = _dream_octave(
                image, objective, octave, jitter, key, weight, shaping, source, on_step
            )
    return shaping.apply_colour(image, source)


def _dream_octave(
    image: Tensor,
    objective: Objective,
    octave: OctavePlan,
    jitter: int,
    key: tuple[int, ...],
    weight: Tensor | None,
    shaping: GradientShaping,
    source: Tensor,
    on_step: StepCallback | None,
) -> Tensor:
    """Return an image dreamed on in one octave; the arguments are those of `dream_octaves`."""
    height, width = image.shape[2:]
    size = octave.size(height, width)
    small = resize_image(image, size)
    small_weight = weight
    if weight is not None and octave.octave > 0:
        small_weight = resize(weight, size).clamp_min(0.0)
    small_source = resize_image(source, size) if shaping.needs_source else small
    changed = ascend(
        small,
        objective,
        octave.iterations,
        octave.step,
        jitter,
        (*key, octave.octave),
        small_weight,
        shaping,
        small_source,
        on_step,
    )
    if octave.octave == 0:
        return changed
    if shaping.iteration_zoom != 1:
        # The residual that the image already has is zoomed at full size, so that it is not
        # resampled through a smaller one.
        small = shaping.zoom_residual(small, small_source, octave.iterations, small_weight)
        image = shaping.zoom_residual(image, source, octave.iterations, weight)
    return (image + resize(changed - small, (height, width))).clamp_(0.0, 1.0)
