"""Takes what has been dreamed into the state, a frame older."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from dreamflow.core.imaging.masks import apply_mask, mix_by_mask
from dreamflow.temporal.control.effort_controller import mix_residuals
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.state import CarriedDream, DreamState, Ground
from dreamflow.temporal.step_settings import StepSettings


def settle(state: DreamState, residual: Tensor, settings: StepSettings, gains: Gains) -> DreamState:
    """Return the state with a frame's residual (1, 3, H, W), and with all ages a frame older.

    Within a cross-fade each dream takes a share of the change, so that the two mixed have changed
    by all of it. What came into view is new to both dreams, and goes to both alike.
    """
    # One memory layout, so that a state that was written and read again goes on alike to the bit.
    residual = residual.contiguous(memory_format=torch.channels_last)
    dreams: dict[int, CarriedDream] = {}
    if len(state.dreams) == 1:
        dreams = {n: replace(dream, residual=residual) for n, dream in state.dreams.items()}
    else:
        change = residual - mix_residuals(state.dreams, state.weights)
        new, alike = state.newness(gains), 1 / torch.stack(list(state.weights.values())).sum()
        power = torch.stack([weight**2 for weight in state.weights.values()]).sum()
        for number, dream in state.dreams.items():
            own = state.weights[number] / power
            part = apply_mask(change, own + new * (alike - own))
            dreams[number] = replace(dream, residual=dream.residual + part)
    ageing = 1 - math.exp(-min(settings.seconds, gains.longest_frame) / gains.age_time)
    approach = 1 - math.exp(-min(settings.seconds, gains.longest_frame) / gains.setpoint_time)
    approach = approach if settings.carry.firmness > 0 else 0.0
    for number, dream in dreams.items():
        dreams[number] = replace(
            dream,
            age=dream.age + ageing * (1 - dream.age),
            setpoint=dream.setpoint.approach(dream.setpoint_target, approach),
            ground=settle_ground(dream),
        )
    return replace(state, dreams=dreams)


def settle_ground(dream: CarriedDream) -> Ground | None:
    """Return the ground, which takes the dream over where nothing hides it or has just left it."""
    if (ground := dream.ground) is None:
        return None
    kept = torch.maximum(ground.hidden, ground.just_left)
    return replace(
        ground,
        residual=mix_by_mask(dream.residual, ground.residual, kept),
        age=torch.lerp(dream.age, ground.age, kept),
    )
