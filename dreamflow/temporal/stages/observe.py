"""Measures a dream, and packs what the host is to know of it."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from dreamflow.core.imaging.arrays import image_size
from dreamflow.core.imaging.filters import gaussian_blur, grid_size, resize_area, resize_linear
from dreamflow.temporal.control.bands import measure_bands
from dreamflow.temporal.control.effort_controller import (
    missing_forms,
    newness_of_movers,
    perceived_age,
)
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.motion.crops import grid_of_blocks
from dreamflow.temporal.state import CarriedDream, DreamState, Pending
from dreamflow.temporal.step_settings import StepSettings


def observe(
    state: DreamState, image: Tensor, frame: Tensor, settings: StepSettings, gains: Gains
) -> tuple[DreamState, dict[str, Tensor]]:
    """Measure what the dream gains of the objective, every `measure_interval`: of one dream alone.

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
        state = state.with_dream(number, with_missing(state.dreams[number], gain_map, gains))
    measured = {
        f"gain.{number}": gained,
        f"gain_seconds.{number}": torch.full_like(gained, since),
    }
    return replace(state, since_measured=0.0), measured


def with_missing(dream: CarriedDream, gain_map: Tensor, gains: Gains) -> CarriedDream:
    """Return a dream that knows how weak it is on what moves and on vacated ground.

    gain_map: (1, 1, h, w), how much of the objective it gains at each position of the layer.
    """
    ground, reference = dream.ground, dream.reference_gain_map
    if ground is None or reference is None:
        return dream
    missing = [
        missing_within(gain_map, reference * setpoint, part, gains)
        for part, setpoint in ((ground.hidden, gains.mover_setpoint), (ground.vacated, 1.0))
    ]
    return replace(dream, ground=replace(ground, missing=torch.cat(missing, 1)))


def missing_within(gain: Tensor, reference: Tensor, part: Tensor, gains: Gains) -> Tensor:
    """Return the missing amplitude of the objective in a part of the frame, by area.

    1 - sqrt(gain / reference), both averaged within that part alone: what is small is not to be
    judged by what is around it.

    Args:
        gain: (1, 1, h, w), at each position of the layer.
        reference: The same of a fresh dream, (1, 1, H, W).
        part: (1, 1, H, W) in [0, 1].
        gains: The constants.

    Returns:
        (1, 1, rows, columns) in [0, 1]; it means nothing far from that part.
    """
    height, width = image_size(part)
    areas = grid_size(height, width, gains.area * max(height, width))
    gain = resize_linear(gain, (height, width))
    both = (
        gaussian_blur(resize_area(value * part, areas), gains.area_blur)
        for value in (gain, reference)
    )
    own, fresh = (value.clamp_min(0) for value in both)
    return (1 - (own / fresh.clamp_min(1e-12)).sqrt()).clamp(0, 1)


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
    numbers["missing"] = (missing * resize_area(1 - new, image_size(missing))).amax()
    numbers["coverage"] = 1 - new.mean()
    for number, band in enumerate(energies.bands):
        numbers[f"energy.{number}"] = band
        numbers[f"setpoint.{number}"] = dreams[0].setpoint.bands[number]
    numbers["energy.lines"] = energies.lines
    numbers["setpoint.lines"] = dreams[0].setpoint.lines
    for number, colour in enumerate(("red", "green", "blue")):
        numbers[f"mean.{colour}"] = energies.mean[number]
    grid = grid_of_blocks(height, width, gains)
    new = torch.maximum(new, newness_of_movers(state, gains))
    uncovered = (1 - new < gains.fill_below_coverage).float()
    values = [value.reshape(1).float() for value in numbers.values()]
    blocks = resize_area(uncovered, grid).reshape(-1)
    return Pending(tuple(numbers), torch.cat([*values, blocks]), grid)
