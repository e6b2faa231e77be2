"""Dreams on with small steps on the whole frame."""

from __future__ import annotations

import math

from torch import Tensor

from dreamflow.core.imaging.arrays import image_size
from dreamflow.core.imaging.filters import resize_linear
from dreamflow.temporal.control.effort_controller import (
    choose_effort,
    duration_in_frames,
    local_gain,
    overshoot_of,
    perceived_age,
)
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.control.plans import plan_refinement, spread_steps
from dreamflow.temporal.state import CarriedDream, DreamState
from dreamflow.temporal.step_settings import Key, StepSettings

OVERSHOOT_MARGIN = 0.05
"""Distance to each side of `Gains.young_below_overshoot`: from one end to the other the iterations
for what is young fall from all to none."""


def refine(
    image: Tensor,
    frame: Tensor,
    state: DreamState,
    energy_ratios: list[Tensor],
    settings: StepSettings,
    gains: Gains,
    key: Key,
) -> tuple[Tensor, dict[str, float]]:
    """Dream on with small steps on the whole frame, larger ones where it is young or weak.

    Returns:
        (image, what was done: effort, iterations at full size, size of their steps in levels).
    """
    options, carry = settings.dream, settings.carry
    frames = duration_in_frames(settings.seconds, gains)
    dreams = [state.dreams[number] for number in settings.weights]
    effort = choose_effort(dreams, carry.firmness, settings.smallest_effort(gains), gains)
    most = carry.carry_iterations
    iterations, size = spread_steps(most * effort, frames, most)
    if most:
        # One step at full size makes no forms: what is young would stay bare.
        limit, amount = max(1, math.ceil(most * frames - 1e-6)), iterations * size
        iterations += round((limit - iterations) * share_for_young(state, dreams, gains))
        size = amount / iterations
    plan = plan_refinement(options, carry, iterations, settings.look_scale)
    shaping = settings.shaping
    if shaping.iteration_zoom != 1:
        # The zoom keeps its speed however few iterations the effort leaves.
        full = plan_refinement(options, carry, carry.carry_iterations, settings.look_scale)
        steps = sum(part.iterations for part in full) * frames
        image = shaping.zoom_residual(image, frame, steps) if steps else image
    weight = step_sizes(dreams, energy_ratios, size, iterations, settings, frames, gains)
    image = settings.dream_carried(image, frame, plan, weight, key)
    done = {"effort": effort, "iterations": float(iterations), "step": carry.carry_step * size}
    return image, done


def share_for_young(state: DreamState, dreams: list[CarriedDream], gains: Gains) -> float:
    """Return what share of the iterations that the effort saves is made for what is young, 0 to 1.

    It goes evenly from none to all: with a hard threshold the iterations, and the dream with them,
    would swing about it.
    """
    overshoot = max(overshoot_of(dream, gains) for dream in dreams)
    young = state.facts.young_share / gains.young_share - 0.5
    weak = (gains.young_below_overshoot - overshoot) / (2 * OVERSHOOT_MARGIN) + 0.5
    return min(1.0, max(0.0, young)) * min(1.0, max(0.0, weak))


def step_sizes(
    dreams: list[CarriedDream],
    energy_ratios: list[Tensor],
    size: float,
    iterations: int,
    settings: StepSettings,
    frames: float,
    gains: Gains,
) -> Tensor:
    """Return the size of the refinement's steps, in those of the plan: (1, 1, H, W).

    size * local_gain. Where young_step is larger, they go (1 - age)^2 of the way to it.
    """
    carry = settings.carry
    age = perceived_age(dreams, energy_ratios, carry.firmness, gains)
    local = local_gain(energy_ratios, carry.firmness, gains)
    sizes = size * resize_linear(local, image_size(age))
    # Where the whole has fewer iterations than the settings, what is young has larger steps.
    young = gains.young_step * min(2.0, carry.carry_iterations * frames / max(1, iterations))
    return sizes + (young - sizes).clamp_min(0) * (1 - age).square()
