"""Warps what is carried into the current frame, as far as the flow is believed."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamflow.core.imaging.arrays import image_size
from dreamflow.core.imaging.filters import gaussian_blur, grid_size, resize_area, resize_linear
from dreamflow.core.imaging.masks import apply_mask, mix_by_mask
from dreamflow.core.imaging.warp import is_inside, warp
from dreamflow.temporal.control.bands import over_frames
from dreamflow.temporal.control.effort_controller import decay_for, duration_in_frames
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.motion.motion import Motion
from dreamflow.temporal.state import CarriedDream, DreamState, Ground
from dreamflow.temporal.step_settings import StepSettings

MAX_MOVER_SHARE = 0.02
"""An area is ground where what moves covers a smaller share of it."""
FAR_GROUND_SHARE = 0.02
"""Weight of the mean of all ground beside the ground nearby, for where there is none nearby."""


def advect(state: DreamState, motion: Motion, settings: StepSettings, gains: Gains) -> DreamState:
    """Warp what is carried into the current frame, as far as the flow is believed.

    residual = decay * confidence * warp(residual), age and reference energy alike; the residual of
    what moves by itself keeps all but the decay, and only its age falls. Within a cross-fade each
    dream decays by its share, since what is dreamed anew is shared between the two.
    """
    frames = duration_in_frames(settings.seconds, gains)
    decay = decay_for(settings.carry, frames, gains)
    motion = motion.resized(image_size(next(iter(state.dreams.values())).residual))
    dreams: dict[int, CarriedDream] = {}
    for number, dream in state.dreams.items():
        if number not in settings.weights:
            continue
        own_decay = 1 - (1 - decay) * settings.weights[number]
        residual = warp(dream.residual, motion.backward)
        kept = motion.confidence
        if motion.movers is not None:
            # A form that is a little out of place is a better start than none.
            kept = torch.maximum(kept, motion.movers.here)
        residual = apply_mask(residual, kept * own_decay)
        age = warp(dream.age, motion.backward, "linear").clamp_(0, 1) * motion.confidence
        ground, uncovered = advect_ground(dream, motion, settings.seconds, gains)
        if ground is not None and uncovered is not None:
            residual = mix_by_mask(residual, ground.residual, uncovered)
            age = torch.lerp(age, ground.age, uncovered)
        parts = None
        if dream.ground is not None and ground is not None:
            parts = dream.ground.hidden, ground.hidden
        elif motion.movers is not None:
            parts = motion.movers.before, motion.movers.here
        gain_map = dream.reference_gain_map
        if gain_map is not None:
            gain_map = advect_reference(gain_map, motion, parts, gains, uncovered)
            if ground is not None:
                gain_map = compare_with_ground(gain_map, ground, gains)
        dreams[number] = replace(
            dream,
            residual=residual,
            age=age,
            reference_energy=advect_reference(
                dream.reference_energy, motion, parts, gains, uncovered
            ),
            reference_gain_map=gain_map,
            ground=ground,
        )
    return replace(state, dreams=dreams)


def advect_ground(
    dream: CarriedDream, motion: Motion, seconds: float, gains: Gains
) -> tuple[Ground | None, Tensor | None]:
    """Carry the dream of the ground along the camera's motion, under what moves.

    What begins to move only now has counted as ground so far: the dream there is its own, and the
    ground behind it is not known. What stands still for a while, as where frames are repeated, goes
    on hiding what it hid. Where too much moves, the camera's motion is not known, and so neither is
    any ground.

    Returns:
        (the ground in the current frame, or None where nothing moves; (1, 1, H, W), share of the
        way that what is carried goes to the ground's own dream: all of it where the flow shows that
        something which hid it has gone, `vacated_return` where that has left lately).
    """
    movers, before = motion.movers, dream.ground
    if movers is None:
        return before and _hold_ground(before, motion, seconds, gains), None
    nothing = torch.zeros_like(dream.age)
    if before is None:
        measured = dream.age.new_zeros(1, 4, 1, 1)
        before = Ground(dream.residual, dream.age, nothing, nothing, measured)
    if not movers.knows_ground:
        unknown = torch.zeros_like(dream.residual)
        return Ground(unknown, nothing, movers.here, nothing, before.measured), None
    known = 1 - movers.before * (1 - widen(before.hidden, gains))
    residual = warp(apply_mask(before.residual, known), movers.camera)
    masks = torch.cat([before.age * known, movers.before, before.vacated], 1)
    moved = warp(masks, movers.camera, "linear") * is_inside(movers.camera)
    age, gone, earlier = torch.split(moved, 1, 1)
    gone = gone * (1 - movers.core)
    fading = math.exp(-min(seconds, gains.longest_frame) / gains.vacated_time)
    vacated = torch.maximum(gone, earlier * (fading * (1 - movers.here))).clamp(0, 1)
    ground = Ground(residual, age.clamp(0, 1), movers.here, vacated, before.measured)
    returned = over_frames(gains.vacated_return, duration_in_frames(seconds, gains))
    return ground, torch.maximum(gone * (1 - motion.confidence), returned * ground.just_left)


def _hold_ground(ground: Ground, motion: Motion, seconds: float, gains: Gains) -> Ground | None:
    """Return the ground where nothing moves by itself; None where nothing has for long."""
    still_s = ground.still_s + min(seconds, gains.longest_frame)
    if still_s > gains.ground_time:
        return None
    masks = torch.cat([ground.age, ground.hidden, ground.vacated], 1)
    inside = is_inside(motion.backward)
    moved = warp(masks, motion.backward, "linear").clamp(0, 1) * inside
    age, hidden, vacated = torch.split(moved, 1, 1)
    residual = apply_mask(warp(ground.residual, motion.backward), inside)
    return Ground(residual, age, hidden, vacated, ground.measured, still_s)


def widen(mask: Tensor, gains: Gains) -> Tensor:
    """Return a mask (1, 1, H, W) grown by `mover_margin`: 1 wherever it was above 0, and beside it.

    One mover's masks in two pairs of frames differ at its border, by less than that.
    """
    height, width = image_size(mask)
    cells = grid_size(height, width, gains.mover_margin * max(height, width))
    coarse = F.max_pool2d(resize_area(mask, cells), 3, stride=1, padding=1)
    return resize_linear((coarse > 0.01).to(mask.dtype), (height, width))


def advect_reference(
    reference: Tensor,
    motion: Motion,
    parts: tuple[Tensor, Tensor] | None,
    gains: Gains,
    uncovered: Tensor | None = None,
) -> Tensor:
    """Return how strong a fresh dream is at each place, (1, 1, h, w), warped to the current frame.

    The flow of what moves is believed only in part, frame after frame. So what is warped has the
    weight confidence ** reference_confidence_power. The rest is a mean: that of what moves where
    something moves, that of all else elsewhere. With one mean for both, a mover's reference would
    be that of the ground within a second.

    Args:
        reference: Energy by area, or the gain of the objective at each pixel.
        motion: Of the frame.
        parts: What moves in the frame before and in this one, (1, 1, H, W) in [0, 1]; None where
            nothing does.
        gains: The constants.
        uncovered: Ground that a mover has just left, (1, 1, H, W) in [0, 1]: it does not keep the
            mover's reference.
    """
    size = image_size(reference)
    flow = motion.resized_flow(size)
    weight = resize_area(motion.confidence, size).clamp_max(1) ** gains.reference_confidence_power
    if uncovered is not None:
        weight = weight * (1 - resize_area(uncovered, size))
    mean = reference.mean()
    if parts is not None:
        before, here = (resize_area(part, size) for part in parts)
        on_movers = _mean_within(reference, before, mean)
        mean = torch.lerp(_mean_within(reference, 1 - before, mean), on_movers, here)
    return mean + weight * (warp(reference, flow, "linear") - mean)


def compare_with_ground(reference: Tensor, ground: Ground, gains: Gains) -> Tensor:
    """Return what a fresh dream gains, on ground laid bare as on the ground around it.

    A position of the layer sees many pixels, so that some of a mover's gain lies beside it. With
    that as its reference, the ground that it leaves would keep what has grown over its edge.

    Args:
        reference: The gain of the objective at each pixel, (1, 1, H, W), as the current frame has
            it.
        ground: In the current frame.
        gains: The constants.
    """
    size = image_size(reference)
    areas = grid_size(*size, gains.area * max(size))
    free = (resize_area(ground.hidden, areas) < MAX_MOVER_SHARE).to(reference.dtype)
    values = resize_area(reference, areas)
    mean = _mean_within(values, free, reference.mean())
    nearby = gaussian_blur(values * free, gains.ground_reach) + FAR_GROUND_SHARE * mean
    nearby = nearby / (gaussian_blur(free, gains.ground_reach) + FAR_GROUND_SHARE)
    return torch.lerp(reference, resize_linear(nearby, size), ground.laid_bare)


def _mean_within(values: Tensor, mask: Tensor, fallback: Tensor) -> Tensor:
    """Return the mean of values (1, 1, h, w) within a mask; the fallback counts as a pixel."""
    return ((values * mask).sum() + fallback) / (mask.sum() + 1)
