"""A dream over octaves, coarse to fine, each of which adds only its own change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from dreamflow.core.errors import SettingsError, named
from dreamflow.dream.ascent import NO_SHAPING, ascend
from dreamflow.dream.gradient_shaping import GradientShaping
from dreamflow.dream.objective.objective import Objective
from dreamflow.dream.options import DreamOptions
from dreamflow.dream.progress import StepCallback

DETAIL_ITERATIONS = 0.3
"""Iterations of an octave between the look's size and that of a larger picture, in those of the
look's finest octave; at least one."""
DETAIL_STEP = 0.5
"""Step of these octaves, in that of the look's finest octave: they sharpen its forms, and draw no
smaller ones into them."""
MAX_TILT_RATIO = 16.0
"""Step of the coarsest octave divided by that of the finest at an octave tilt of 1; at a tilt of -1
it is the inverse."""


@dataclass(frozen=True)
class OctavePlan:
    """Gradient ascent at one size.

    Attributes:
        octave: 0 is the finest of the look, without a look's size the full size; each next octave
            is smaller by `scale`. Negative ones lie between the look's size and the full one.
        scale: Ratio of one size to the next.
        iterations: Number of steps.
        step: Mean absolute change of a step, in 8-bit levels.
        look_scale: How many times smaller octave 0 is than the picture; below 1 it is larger.
        momentum: Share of each change that the next one goes on with; see `ascend`.
    """

    octave: int
    scale: float
    iterations: int
    step: float
    look_scale: float = 1.0
    momentum: float = 0.0

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Return the (height, width) of the octave, in pixels, for a picture of that size."""
        ratio = self.look_scale * self.scale**self.octave
        return max(1, round(height / ratio)), max(1, round(width / ratio))


def look_scale_of(options: DreamOptions, height: int, width: int) -> float:
    """Return how many times larger a frame is than the size that its look is made for.

    Args:
        options: Settings of the dream.
        height: Height of the whole frame, in pixels.
        width: Width of the whole frame, in pixels.

    Returns:
        1 without a look's size; below 1 where the frame is smaller than that.
    """
    return 1.0 if options.look_size is None else max(height, width) / options.look_size


def plan_octaves(options: DreamOptions, look_scale: float = 1.0) -> list[OctavePlan]:
    """Return the octaves of a dream that starts from its source, coarse to fine.

    Args:
        options: Settings of the dream.
        look_scale: See `look_scale_of`. The octaves are those of the look's size; finer ones
            follow where the frame is larger. Where it is smaller, it is dreamed on enlarged, so
            that it shows what the larger frame will show.
    """
    if options.iterations == 0:
        return []
    scale, counts = options.octave_scale, options.iterations_by_octave
    plan = [
        OctavePlan(
            octave, scale, count, options.step * octave_tilt_factor(options, octave), look_scale
        )
        for octave, count in zip(reversed(range(options.octaves)), counts, strict=True)
    ]
    step = DETAIL_STEP * plan[-1].step
    return plan + plan_detail(options, look_scale, DETAIL_ITERATIONS * counts[-1], step)


def plan_detail(
    options: DreamOptions, look_scale: float, iterations: float, step: float
) -> list[OctavePlan]:
    """Return the octaves from the look's size to that of a larger frame, coarse to fine.

    They are spaced by `octave_scale` at most, and the last is of the full size.

    Args:
        options: Settings of the dream.
        look_scale: See `look_scale_of`.
        iterations: Of each octave, rounded to one at least; none where it is 0.
        step: Of each iteration, in 8-bit levels.
    """
    if look_scale <= 1 or iterations == 0:
        return []
    count = max(1, math.ceil(math.log(look_scale) / math.log(options.octave_scale) - 1e-6))
    scale = look_scale ** (1 / count)
    iterations = max(1, round(iterations))
    return [OctavePlan(-k, scale, iterations, step, look_scale) for k in range(1, count + 1)]


def plan_full_size(
    options: DreamOptions, plan: Sequence[OctavePlan], look_scale: float
) -> list[OctavePlan]:
    """Return what follows a plan whose finest octave is the look's: a little work at full size.

    A carried dream has its detail already; of the octaves in between it needs none.
    """
    if not plan or plan[-1].octave != 0:
        return []
    last = plan[-1]
    iterations = DETAIL_ITERATIONS * last.iterations
    return plan_detail(options, look_scale, iterations, DETAIL_STEP * last.step)[-1:]


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
    detail that the image already has is never resampled. Coarse octaves too small for the layers
    are skipped; octave 0 is not.

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
        SettingsError: The full size, or that of the look, is too small for a layer.
    """
    source = image if source is None else source
    for octave in plan:
        size = octave.size(*image.shape[2:])
        if octave.octave > 0 and min(size) < objective.min_side_px:
            continue
        if octave.octave == 0:
            check_look_size(size, octave.look_scale, objective)
        if octave.iterations:
            image = _dream_octave(
                image, objective, octave, jitter, key, weight, shaping, source, on_step
            )
    return shaping.apply_colour(image, source)


def check_look_size(size: tuple[int, int], look_scale: float, objective: Objective) -> None:
    """Raise SettingsError where the size of a look (height, width) is too small for a layer."""
    smallest = objective.min_side_px
    if look_scale > 1 and min(size) < smallest:
        raise SettingsError(
            f"at {named('look_size')} {max(size)} the picture is {size[1]}x{size[0]}, and "
            f"{objective.blend} needs {smallest} pixels a side",
            setting="look_size",
            value=max(size),
            allowed=f"at least {math.ceil(max(size) * smallest / min(size))}",
        )


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
    if weight is not None and size != (height, width):
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
        octave.momentum,
    )
    if size == (height, width):
        return changed
    if shaping.iteration_zoom != 1:
        # The residual that the image already has is zoomed at full size, so that it is not
        # resampled through a smaller one.
        small = shaping.zoom_residual(small, small_source, octave.iterations, small_weight)
        image = shaping.zoom_residual(image, source, octave.iterations, weight)
    return (image + resize(changed - small, (height, width))).clamp_(0.0, 1.0)
