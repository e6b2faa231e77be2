"""Measures a dream, and packs what the host is to know of it."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from dreamflow.core.imaging.arrays import image_size
from dreamflow.core.imaging.filters import resize_area
from dreamflow.temporal.bands import measure_bands
from dreamflow.temporal.effort_controller import (
    missing_forms,
    perceived_age,
)
from dreamflow.temporal.gains import Gains
from dreamflow.temporal.state import DreamState, Pending, grid_of_blocks
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
    gained = settings.measure_gain(settings.objective, image, frame)
    measured = {
        f"gain.{number}": gained,
        f"gain_seconds.{number}": torch.full_like(gained, since),
    }
    return replace(state, since_measured=0.0), measured


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
    uncovered = (1 - new < gains.fill_below_coverage).float()
    values = [value.reshape(1).float() for value in numbers.values()]
    blocks = resize_area(uncovered, grid).reshape(-1)
    return Pending(tuple(numbers), torch.cat([*values, blocks]), grid)
