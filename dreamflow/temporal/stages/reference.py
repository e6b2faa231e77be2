"""What a carried dream is compared with: a fresh dream, renewed from time to time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from dreamflow.core.imaging.arrays import image_size
from dreamflow.core.imaging.filters import resize_linear
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.motion.montage import find_montage
from dreamflow.temporal.motion.motion import Motion
from dreamflow.temporal.state import CarriedDream, DreamState
from dreamflow.temporal.step_settings import FRESH_MOVERS_KEY, Key, StepSettings


def renew(
    state: DreamState, number: int, fresh: Tensor, gain_map: Tensor | None, gains: Gains
) -> DreamState:
    """Compare a carried dream with another fresh dream from now on.

    Args:
        state: What is carried.
        number: Keyframe of the dream.
        fresh: Residual of the fresh dream, (1, 3, H, W).
        gain_map: How much of the objective it gains, see `CarriedDream.reference_gain_map`.
        gains: The constants.
    """
    new = CarriedDream.begin(fresh, gains, gain_map)
    dream = replace(
        state.dreams[number],
        setpoint_target=new.setpoint_target,
        reference_energy=new.reference_energy,
        reference_gain_map=new.reference_gain_map,
    )
    return state.with_dream(number, dream)


def dream_reference(
    number: int, frame: Tensor, settings: StepSettings, key: Key
) -> tuple[Tensor, Tensor | None, dict[str, Tensor]]:
    """Dream a frame by itself, and measure what that gains of the objective.

    Args:
        number: Keyframe of the dream.
        frame: (1, 3, H, W), what is dreamed on.
        settings: Those of the frame; at firmness 0 nothing is measured.
        key: Seed and index of the frame.

    Returns:
        (the dream, (1, 3, H, W); gain at each position of the layer, see
        `CarriedDream.reference_gain_map`; what is to be read back).
    """
    fresh = settings.dream_fresh(number, frame, key)
    if settings.carry.firmness == 0:
        return fresh, None, {}
    gain_map, gained = settings.measure_gain(settings.objectives[number], fresh, frame)
    return fresh, gain_map, {f"reference_gain.{number}": gained}


def renew_movers(
    state: DreamState,
    number: int,
    frame: Tensor,
    motion: Motion,
    settings: StepSettings,
    gains: Gains,
    key: Key,
) -> DreamState:
    """Compare what moves by itself with another fresh dream of it, on crops, from now on.

    It changes sooner than the rest. On something small two fresh dreams may differ by a fifth in
    what they gain, so the reference goes only `renewal_share_movers` of the way to the new one.

    Args:
        state: What is carried.
        number: Keyframe of the dream.
        frame: (1, 3, H, W), what is dreamed on.
        motion: Tells what moves.
        settings: Those of the frame.
        gains: The constants.
        key: Seed and index of the frame.
    """
    dream, movers = state.dreams[number], motion.movers
    before = dream.reference_gain_map
    if movers is None or dream.ground is None or before is None:
        return state
    nothing, min_side_px = np.zeros_like(movers.shares), settings.min_crop_side_px
    montage = find_montage(frame, nothing, movers.shares, min_side_px, gains)
    if montage is None:
        return state
    part = montage.gather(frame)
    fresh = settings.dream_fresh(number, part, (*key, FRESH_MOVERS_KEY), of_crops=True)
    gain, _ = settings.measure_gain(settings.objectives[number], fresh, part)
    if gain is None:
        return state
    gain = montage.scatter(resize_linear(gain, image_size(part)), before)
    gain_map = torch.lerp(before, gain, dream.ground.hidden * gains.renewal_share_movers)
    return state.with_dream(number, replace(dream, reference_gain_map=gain_map))
