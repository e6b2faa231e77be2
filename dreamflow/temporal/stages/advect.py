"""Warps what is carried into the current frame, as far as the flow is believed."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamflow.core.imaging.arrays import image_size
from dreamflow.core.imaging.filters import grid_size, resize_area, resize_linear
from dreamflow.core.imaging.warp import is_inside, warp
from dreamflow.temporal.effort_controller import (
    decay_for,
    duration_in_frames,
)
from dreamflow.temporal.gains import Gains
from dreamflow.temporal.motion import Motion
from dreamflow.temporal.state import CarriedDream, DreamState, Ground
from dreamflow.temporal.step_settings import StepSettings


def advect(state: DreamState, motion: Motion, settings: StepSettings, gains: Gains) -> DreamState:
    """Warp what is carried into the current frame, as far as the flow is believed.

    residual = decay * confidence * warp(residual), age and reference energy alike. Within a
    cross-fade each dream decays by its share, since what is dreamed anew is shared between the two.
    """
    frames = duration_in_frames(settings.seconds, gains)
    decay = decay_for(settings.carry, frames, gains)
    motion = motion.resized(image_size(next(iter(state.dreams.values())).residual))
    dreams: dict[int, CarriedDream] = {}
    for number, dream in state.dreams.items():
        if number not in settings.weights:
            continue
        own_decay = 1 - (1 - decay) * settings.weights[number]
        residual = warp(dream.residual, motion.backward) * (motion.confidence * own_decay)
        age = warp(dream.age, motion.backward).clamp_(0, 1) * motion.confidence
        ground, uncovered = advect_ground(dream, motion, gains)
        if ground is not None and uncovered is not None:
            residual = torch.lerp(residual, ground.residual, uncovered)
            age = torch.lerp(age, ground.age, uncovered)
        energy = advect_energy(dream.reference_energy, motion, gains)
        dreams[number] = replace(
            dream, residual=residual, age=age, reference_energy=energy, ground=ground
        )
    return replace(state, dreams=dreams)


def advect_ground(
    dream: CarriedDream, motion: Motion, gains: Gains
) -> tuple[Ground | None, Tensor | None]:
    """Carry the dream of the ground along the camera's motion, under what moves.

    What began to move only now has been taken for ground so far: the dream there is its own, and of
    the ground that it hides nothing is known.

    Returns:
        (the ground in the current frame, or None where nothing moves; (1, 1, H, W) in [0, 1], where
        something that hid it has just gone).
    """
    movers = motion.movers
    if movers is None or not movers.knows_ground:
        return None, None
    before = dream.ground or Ground(dream.residual, dream.age, torch.zeros_like(dream.age))
    known = 1 - movers.before * (1 - widen(before.hidden, gains))
    residual = warp(before.residual * known, movers.camera)
    inside = is_inside(movers.camera)
    age = warp(before.age * known, movers.camera, "linear").clamp_(0, 1) * inside
    left = warp(movers.before, movers.camera, "linear") * inside
    uncovered = left * (1 - movers.core) * (1 - motion.confidence)
    return Ground(residual, age, movers.here), uncovered


def widen(mask: Tensor, gains: Gains) -> Tensor:
    """Return a mask (1, 1, H, W) that is 1 also beside where it was above 0.

    The masks of one mover in two pairs of frames differ at its border, by less than this.
    """
    height, width = image_size(mask)
    cells = grid_size(height, width, gains.mover_margin * max(height, width))
    coarse = F.max_pool2d(resize_area(mask, cells), 3, stride=1, padding=1)
    return resize_linear((coarse > 0.01).to(mask.dtype), (height, width))


def advect_energy(energy: Tensor, motion: Motion, gains: Gains) -> Tensor:
    """Return energy by area (1, 1, h, w) as the current frame has it; where it is new, the mean.

    What moves is believed in part, frame after frame; it is not for that to be held as weak as
    most. So the warped energy counts by confidence ** reference_confidence_power.
    """
    size = image_size(energy)
    height, width = motion.confidence.shape[2:]
    scale = energy.new_tensor([size[1] / width, size[0] / height]).view(1, 2, 1, 1)
    flow = resize_area(motion.backward, size) * scale
    confidence = resize_area(motion.confidence, size).clamp_max(1)
    mean = energy.mean()
    weight = confidence**gains.reference_confidence_power
    return mean + weight * (warp(energy, flow, "linear") - mean)
