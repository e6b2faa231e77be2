"""Measures a dream, and packs what the host is to know of it."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from dreamflow.core.imaging.arrays import image_size
from dreamflow.core.imaging.filters import gaussian_blur, grid_size, resize_area, resize_linear
from dreamflow.temporal.control.bands import measure_bands
from dreamflow.temporal.control.effort_controller import (
    missing_forms,
    perceived_age,
)
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.control.parts import mean_missing_on_movers, newness_of_parts
from dreamflow.temporal.motion.crops import grid_of_blocks
from dreamflow.temporal.state import CarriedDream, DreamState, Ground, Pending
from dreamflow.temporal.step_settings import StepSettings


def observe(
    state: DreamState, image: Tensor, frame: Tensor, settings: StepSettings, gains: Gains
) -> tuple[DreamState, dict[str, Tensor]]:
    """Measure what the dream gains of the objective, every `measure_interval`.

    Nothing is measured within a cross-fade, at firmness 0 and at stability 1.

    Returns:
        (state, what is to be read back).
    """
    carry = settings.carry
    if len(settings.weights) > 1 or carry.stability == 1 or carry.firmness == 0:
        return replace(state, since_measured=0.0), {}
    since = state.since_measured + min(settings.seconds, gains.longest_frame)
    if since < gains.measure_interval - 1e-6:
        return replace(state, since_measured=since), {}
    ((number, _),) = settings.weights.items()
    gain_map, gained = settings.measure_gain(settings.objective, image, frame)
    if gain_map is not None:
        state = state.with_dream(
            number, with_measured(state.dreams[number], gain_map, since, gains)
        )
    measured = {
        f"gain.{number}": gained,
        f"gain_seconds.{number}": torch.full_like(gained, since),
    }
    return replace(state, since_measured=0.0), measured


def with_measured(
    dream: CarriedDream, gain_map: Tensor, seconds: float, gains: Gains
) -> CarriedDream:
    """Return a dream that knows how strong it is on what moves and on vacated ground.

    Args:
        dream: The carried dream.
        gain_map: (1, 1, h, w), how much of the objective it gains at each position of the layer.
        seconds: Time since the measurement before.
        gains: The constants.
    """
    ground, reference = dream.ground, dream.reference_gain_map
    if ground is None or reference is None:
        return dream
    measured = measure_parts(gain_map, reference, ground, gains)
    if ground.measured.shape == measured.shape:
        share = 1 - math.exp(-seconds / gains.measured_time)
        measured = torch.lerp(ground.measured, measured, share)
    return replace(dream, ground=replace(ground, measured=measured))


def measure_parts(gain: Tensor, reference: Tensor, ground: Ground, gains: Gains) -> Tensor:
    """Return the objective gained on what moves and on ground laid bare, by a fresh dream as well.

    Each part is averaged by itself: something small is not to be judged by what is around it.

    Args:
        gain: (1, 1, h, w), at each position of the layer.
        reference: The same of a fresh dream, (1, 1, H, W).
        ground: Its masks are the parts.
        gains: The constants.

    Returns:
        (1, 4, rows, columns), by area; see `Ground.measured`.
    """
    height, width = image_size(ground.hidden)
    areas = grid_size(height, width, gains.area * max(height, width))
    gain = resize_linear(gain, (height, width))
    parts = (ground.hidden, ground.laid_bare)
    values = [value * part for value in (gain, reference) for part in parts]
    by_area = [gaussian_blur(resize_area(value, areas), gains.area_blur) for value in values]
    return torch.cat(by_area, 1).clamp_min(0)


def pack(
    state: DreamState, measured: dict[str, Tensor], settings: StepSettings, gains: Gains
) -> Pending:
    """Return what the host is to know of a frame, side by side in one tensor on the device."""
    dreams = list(state.dreams.values())
    height, width = dreams[0].age.shape[2:]
    new = state.newness(gains)
    ratios = [dream.energy_ratio(gains) for dream in dreams]
    age = perceived_age(dreams, ratios, settings.carry.firmness, gains)
    missing = missing_forms(ratios)
    energies = measure_bands(dreams[0].residual, gains)
    numbers = dict(measured)
    numbers["finite"] = torch.isfinite(dreams[0].residual).all().float()
    young = (age < gains.young_below_age).float()
    if (ground := dreams[0].ground) is not None:
        # What moves is dreamed as crops: it needs no iterations of the whole frame.
        young = young * (1 - ground.hidden)
    numbers["young_share"] = young.mean()
    numbers["missing_on_movers"] = mean_missing_on_movers(dreams, gains)
    numbers["coverage"] = 1 - new.mean()
    new = torch.maximum(new, newness_of_parts(state, gains))
    numbers["missing"] = (missing * resize_area(1 - new, image_size(missing))).amax()
    for number, band in enumerate(energies.bands):
        numbers[f"energy.{number}"] = band
        numbers[f"setpoint.{number}"] = dreams[0].setpoint.bands[number]
    numbers["energy.lines"] = energies.lines
    numbers["setpoint.lines"] = dreams[0].setpoint.lines
    for number, colour in enumerate(("red", "green", "blue")):
        numbers[f"mean.{colour}"] = energies.mean[number]
    grid = grid_of_blocks(height, width, gains)
    uncovered = (1 - new < gains.fill_below_coverage).float()
    values = [value.reshape(1).float() for value in numbers.values()]
    blocks = resize_area(uncovered, grid).reshape(-1)
    return Pending(tuple(numbers), torch.cat([*values, blocks]), grid)
