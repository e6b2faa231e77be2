"""Pulls a carried dream's bands towards their setpoint, and its strong areas down."""

from __future__ import annotations

import math
from dataclasses import replace

from torch import Tensor

from dreamflow.core.imaging.arrays import image_size
from dreamflow.core.imaging.filters import resize_linear
from dreamflow.core.imaging.masks import apply_mask
from dreamflow.temporal.control.bands import MIN_RMS, equalise_bands
from dreamflow.temporal.control.effort_controller import decay_for, duration_in_frames
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.control.parts import fading_of_excess
from dreamflow.temporal.motion.motion import Motion
from dreamflow.temporal.state import DreamState
from dreamflow.temporal.step_settings import StepSettings


def equalise(state: DreamState, motion: Motion, settings: StepSettings, gains: Gains) -> DreamState:
    """Pull each residual's bands towards their setpoint; areas above a fresh dream come down.

    At most what decays, what is lost with the flow and what comes down is given back: with more,
    what survives the warps best, fine lines side by side, would grow by itself and cover everything
    in time. A pull of less than all of it would leave each band, and the mean colour, below its
    setpoint, at the decay's share of it.
    """
    firmness = settings.carry.firmness
    if firmness == 0:
        return state
    frames = duration_in_frames(settings.seconds, gains)
    decay = decay_for(settings.carry, frames, gains)
    lost = min(gains.max_lost_gain**frames, 1 / max(motion.mean_confidence, 1e-6))
    for number, dream in state.dreams.items():
        own_decay = 1 - (1 - decay) * settings.weights[number]
        pull, most = firmness, lost / max(own_decay, 1e-6)
        if settings.settings_change:
            pull, most = math.sqrt(firmness) / 2, gains.max_band_gain**frames
        # Bands are pulled as a whole: what holds still is not to make up for what moves. What is
        # too strong comes down before them, since after them it would leave the whole weak.
        lowered = dream.energy_ratio(gains).clamp_min(1) ** (-pull * frames)
        kept = resize_linear(lowered, image_size(dream.residual))
        if dream.ground is not None:
            kept = kept * (1 - fading_of_excess(dream.ground, gains)) ** frames
        largest = most * loss_of(kept, dream.residual).clamp_max(gains.max_lost_gain**frames)
        residual = apply_mask(dream.residual, kept)
        residual = equalise_bands(
            residual, dream.setpoint, dream.coverage(gains), pull, largest, frames, gains
        )
        state = state.with_dream(number, replace(dream, residual=residual))
    return state


def loss_of(kept: Tensor, residual: Tensor) -> Tensor:
    """Return how many times smaller a residual's amplitude becomes, a () of 1 or more.

    Args:
        kept: (1, 1, H, W), share of the residual that is kept.
        residual: (1, 3, H, W).
    """
    power, tiny = residual.square().mean(1, keepdim=True), MIN_RMS**2
    return ((power.mean() + tiny) / ((power * kept.square()).mean() + tiny)).sqrt()
