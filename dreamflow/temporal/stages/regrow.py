"""Restores forms that have faded, at a smaller size."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamflow.core.imaging.arrays import image_size
from dreamflow.core.imaging.filters import resize_area, resize_linear
from dreamflow.temporal.control.effort_controller import duration_in_frames, missing_forms
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.control.plans import plan_large_forms, plan_regrowth
from dreamflow.temporal.state import DreamState
from dreamflow.temporal.step_settings import LARGE_FORMS_KEY, REGROWTH_KEY, Key, StepSettings


def regrow(
    image: Tensor,
    frame: Tensor,
    state: DreamState,
    weak_parts: Tensor,
    energy_ratios: list[Tensor],
    settings: StepSettings,
    gains: Gains,
    key: Key,
) -> tuple[Tensor, float]:
    """Restore forms that have faded, at a smaller size; first the largest, where it is young.

    What counts as new, `weak_parts` (see `newness_of_parts`) included, has just been dreamed at
    full size. The steps of `plan_regrowth` leave it out, since they would undo some of that; those
    of `plan_large_forms` are made for it.

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
    size, by_area = image_size(image), missing_forms(energy_ratios)
    large = plan_large_forms(
        settings.dream, settings.carry, missing, frames, gains, settings.look_scale
    )
    if large:
        weight = weight_of_large_forms(state, by_area, gains)
        image = settings.dream_carried(image, frame, large, weight, (*key, LARGE_FORMS_KEY))
    new = torch.maximum(state.newness(gains), weak_parts)
    weight = (resize_linear(by_area, size) * (1 - new) / missing).clamp_max(1)
    image = settings.dream_carried(image, frame, plan, weight, (*key, REGROWTH_KEY))
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
