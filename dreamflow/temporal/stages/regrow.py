"""Dreams forms that have faded again, at a smaller size."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from dreamflow.core.imaging.arrays import image_size
from dreamflow.core.imaging.filters import resize_linear
from dreamflow.dream.octaves import dream_octaves
from dreamflow.temporal.control.effort_controller import duration_in_frames, missing_forms
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.control.parts import newness_of_movers
from dreamflow.temporal.control.plans import plan_regrowth
from dreamflow.temporal.state import DreamState
from dreamflow.temporal.step_settings import Key, StepSettings

REGROWTH_KEY = 0
"""Keeps the random shifts of the regrowth apart from those of the crops, which count from 1."""


def regrow(
    image: Tensor,
    frame: Tensor,
    state: DreamState,
    strength: list[Tensor],
    settings: StepSettings,
    gains: Gains,
    key: Key,
) -> tuple[Tensor, float]:
    """Dream forms that have faded again, at a smaller size.

    What counts as new has been dreamed at full size: these steps would take from it.

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
    new = torch.maximum(state.newness(gains), newness_of_movers(state, gains))
    weight = resize_linear(missing_forms(strength), image_size(image)) * (1 - new)
    shaping = replace(settings.shaping, iteration_zoom=1.0)
    image = dream_octaves(
        image,
        settings.objective,
        plan,
        settings.dream.jitter,
        (*key, REGROWTH_KEY),
        (weight / missing).clamp_max(1),
        shaping,
        frame,
        on_step=settings.on_step,
    )
    return image, plan[-1].step
