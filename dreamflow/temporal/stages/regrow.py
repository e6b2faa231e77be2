"""Dreams forms that have faded again, at a smaller size."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from dreamflow.core.imaging.arrays import image_size
from dreamflow.core.imaging.filters import resize_area, resize_linear
from dreamflow.dream.octaves import OctavePlan, dream_octaves
from dreamflow.temporal.control.effort_controller import duration_in_frames, missing_forms
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.control.parts import newness_of_movers
from dreamflow.temporal.control.plans import plan_large_forms, plan_regrowth
from dreamflow.temporal.state import DreamState
from dreamflow.temporal.step_settings import Key, StepSettings

REGROWTH_KEY, LARGE_FORMS_KEY = 0, 4
"""Keep the random shifts of the regrowth apart from those of the crops, which have the others."""


def regrow(
    image: Tensor,
    frame: Tensor,
    state: DreamState,
    strength: list[Tensor],
    settings: StepSettings,
    gains: Gains,
    key: Key,
) -> tuple[Tensor, float]:
    """Dream forms that have faded again, at a smaller size; first the largest of what is young.

    What counts as new has been dreamed at full size: the steps of `plan_regrowth` would take from
    it. Those of `plan_large_forms` are for it.

    Returns:
        (image, size of the steps in levels; 0 where none were taken).
    """
    frames = duration_in_frames(settings.seconds, gains)
    missing = state.facts.missing
    plan = plan_regrowth(
        settings.dream, settings.carry, missing, frames, gains, settings.look_scale
    )
    if not plan:
        return image, 0.0
    size, by_area = image_size(image), missing_forms(strength)
    large = plan_large_forms(
        settings.dream, settings.carry, missing, frames, gains, settings.look_scale
    )
    if large:
        weight = weight_of_large_forms(state, by_area, gains)
        image = _dream_on(image, frame, large, weight, settings, (*key, LARGE_FORMS_KEY))
    new = torch.maximum(state.newness(gains), newness_of_movers(state, gains))
    weight = (resize_linear(by_area, size) * (1 - new) / missing).clamp_max(1)
    image = _dream_on(image, frame, plan, weight, settings, (*key, REGROWTH_KEY))
    return image, plan[-1].step


def weight_of_large_forms(state: DreamState, missing: Tensor, gains: Gains) -> Tensor:
    """Return the size of steps for the largest forms, (1, 1, H, W), in those of the plan.

    missing: See `missing_forms`.
    """
    # By area: strips at the frame's edge, each dreamed in its own frame, would stay stripes.
    new = resize_area(state.newness(gains), image_size(missing))
    weight = resize_linear(torch.maximum(missing, new), image_size(state.age))
    weight = weight * (1 - state.age).square()
    for dream in state.dreams.values():
        if (ground := dream.ground) is not None:
            # What moves has steps of its own: it loses its form to these, and flickers.
            weight = weight * (1 - ground.hidden)
    return weight


def _dream_on(
    image: Tensor,
    frame: Tensor,
    plan: list[OctavePlan],
    weight: Tensor,
    settings: StepSettings,
    key: tuple[int, ...],
) -> Tensor:
    """Return an image dreamed on over the octaves of a plan; see `dream_octaves`."""
    return dream_octaves(
        image,
        settings.objective,
        plan,
        settings.dream.jitter,
        key,
        weight,
        replace(settings.shaping, iteration_zoom=1.0),
        frame,
        on_step=settings.on_step,
    )
