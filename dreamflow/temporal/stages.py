"""The stages of the temporal step, each a pure function on the compute device."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from dreamflow.core.imaging.arrays import image_size
from dreamflow.core.imaging.filters import grid_size, resize_area, resize_linear
from dreamflow.core.imaging.warp import warp
from dreamflow.dream.gradient_shaping import GradientShaping
from dreamflow.dream.octaves import dream_octaves
from dreamflow.temporal.bands import equalise_bands, measure_bands
from dreamflow.temporal.crops import find_crops
from dreamflow.temporal.effort_controller import (
    choose_effort,
    decay_for,
    duration_in_frames,
    local_gain,
    missing_forms,
    mix_residuals,
    perceived_age,
)
from dreamflow.temporal.gains import Gains
from dreamflow.temporal.motion import Motion
from dreamflow.temporal.plans import plan_fill, plan_refinement, plan_regrowth, spread_steps
from dreamflow.temporal.state import CarriedDream, DreamState, Pending
from dreamflow.temporal.step_settings import Key, StepSettings

REGROWTH_KEY = 0
"""Keeps the random shifts of the regrowth apart from those of the crops, which count from 1."""


def advect(state: DreamState, motion: Motion, settings: StepSettings, gains: Gains) -> DreamState:
    """Warp what is carried into the current frame, as far as the flow is believed.

    residual = decay * confidence * warp(residual), age and reference energy alike. Within a
    cross-fade each dream decays by its share, since what is dreamed anew is shared between the two.
    """
    frames = duration_in_frames(settings.seconds, gains)
    decay = decay_for(settings.carry, frames, gains)
    dreams: dict[int, CarriedDream] = {}
    for number, dream in state.dreams.items():
        if number not in settings.weights:
            continue
        own_decay = 1 - (1 - decay) * settings.weights[number]
        residual = warp(dream.residual, motion.backward) * (motion.confidence * own_decay)
        age = warp(dream.age, motion.backward).clamp_(0, 1) * motion.confidence
        energy = advect_energy(dream.reference_energy, motion, gains)
        dreams[number] = replace(dream, residual=residual, age=age, reference_energy=energy)
    return replace(state, dreams=dreams)


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


def equalise(state: DreamState, settings: StepSettings, gains: Gains) -> DreamState:
    """Pull each residual's bands towards their setpoint; areas above a fresh dream come down.

    At most what decays is given back: with more, what survives the warps best, fine lines side by
    side, would grow by itself and cover everything in time.
    """
    firmness = settings.carry.firmness
    if firmness == 0:
        return state
    frames = duration_in_frames(settings.seconds, gains)
    decay = decay_for(settings.carry, frames, gains)
    for number, dream in state.dreams.items():
        own_decay = 1 - (1 - decay) * settings.weights[number]
        pull, most = firmness, 1 / max(own_decay, 1e-6)
        if settings.settings_change:
            pull, most = math.sqrt(firmness) / 2, gains.max_band_gain**frames
        residual = equalise_bands(
            dream.residual, dream.setpoint, dream.coverage(gains), pull, most, frames, gains
        )
        dream = replace(dream, residual=residual)
        # Bands are pulled as a whole: what holds still is not to make up for what moves.
        lowered = dream.energy_ratio(gains).clamp_min(1) ** (-pull * frames)
        residual = residual * resize_linear(lowered, image_size(residual))
        state = state.with_dream(number, replace(dream, residual=residual))
    return state


def renew(state: DreamState, number: int, fresh: Tensor, gains: Gains) -> DreamState:
    """Take a fresh dream's residual (1, 3, H, W) as what a carried one is compared with."""
    new = CarriedDream.begin(fresh, gains)
    dream = replace(
        state.dreams[number],
        setpoint_target=new.setpoint_target,
        reference_energy=new.reference_energy,
    )
    return state.with_dream(number, dream)


def measure_reference(
    number: int, fresh: Tensor, frame: Tensor, settings: StepSettings
) -> dict[str, Tensor]:
    """Return what a fresh dream gains of the objective, to be read back; nothing at firmness 0."""
    if settings.carry.firmness == 0:
        return {}
    objective = settings.objectives[number]
    return {f"reference_gain.{number}": objective.measure(fresh) - objective.measure(frame)}


def measure_strength(state: DreamState, settings: StepSettings, gains: Gains) -> list[Tensor]:
    """Return the energy by area of each carried dream against a fresh one's: (1, 1, h, w)."""
    return [state.dreams[number].energy_ratio(gains) for number in settings.weights]


def newness(state: DreamState, gains: Gains) -> Tensor:
    """Return where there is no dream yet: (1, 1, H, W), 1 - coverage, the most of those carried."""
    coverages = [dream.coverage(gains) for dream in state.dreams.values()]
    coverage = torch.stack(coverages).amin(0) if len(coverages) > 1 else coverages[0]
    return 1 - coverage


def fill(
    image: Tensor,
    frame: Tensor,
    state: DreamState,
    motion: Motion,
    settings: StepSettings,
    gains: Gains,
    key: Key,
) -> tuple[Tensor, int]:
    """Dream with large steps where the scene came into view, on crops that hold such areas.

    Returns:
        (image, number of crops).
    """
    frames = duration_in_frames(settings.seconds, gains)
    plan = plan_fill(settings.dream, settings.carry, frames, gains)
    shares = motion.disoccluded
    if state.facts.uncovered is not None and state.facts.uncovered.shape == shares.shape:
        shares = (shares + state.facts.uncovered).clip(0, 1)
    height, width = image.shape[2:]
    crops = find_crops(shares, height, width, settings.objective.min_side_px, gains)
    if not plan or not crops:
        return image, 0
    new = newness(state, gains)
    # The dream's own zoom is about the middle of the frame, not of a crop.
    shaping = replace(GradientShaping.from_options(settings.dream), iteration_zoom=1.0)
    image = image.clone()
    for number, (rows, columns) in enumerate(crops, start=1):
        image[:, :, rows, columns] = dream_octaves(
            image[:, :, rows, columns],
            settings.objective,
            plan,
            settings.dream.jitter,
            (*key, number),
            new[:, :, rows, columns],
            shaping,
            frame[:, :, rows, columns],
            on_step=settings.on_step,
        )
    return image, len(crops)


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

    Returns:
        (image, size of the steps in levels; 0 where none were taken).
    """
    frames = duration_in_frames(settings.seconds, gains)
    missing = state.facts.missing
    plan = plan_regrowth(settings.dream, settings.carry, missing, frames, gains)
    if not plan:
        return image, 0.0
    weight = resize_linear(missing_forms(strength), image_size(image)) * (1 - newness(state, gains))
    shaping = replace(GradientShaping.from_options(settings.dream), iteration_zoom=1.0)
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
    return image, plan[0].step


def refine(
    image: Tensor,
    frame: Tensor,
    state: DreamState,
    strength: list[Tensor],
    settings: StepSettings,
    gains: Gains,
    key: Key,
) -> tuple[Tensor, dict[str, float]]:
    """Dream on with small steps on the whole frame, larger ones where it is young or weak.

    Returns:
        (image, what was done: effort, iterations at full size, size of their steps in levels).
    """
    options, carry = settings.dream, settings.carry
    frames = duration_in_frames(settings.seconds, gains)
    dreams = [state.dreams[number] for number in settings.weights]
    effort = choose_effort(dreams, carry.firmness, settings.smallest_effort(gains), gains)
    most = carry.carry_iterations
    iterations, size = spread_steps(most * effort, frames, most)
    if state.facts.young_share > gains.young_share and most:
        # One step at full size makes no forms: what moves would go bare beside what holds still.
        iterations, amount = max(1, math.ceil(most * frames - 1e-6)), iterations * size
        size = amount / iterations
    plan = plan_refinement(options, carry, iterations)
    shaping = GradientShaping.from_options(options)
    if shaping.iteration_zoom != 1:
        # However little is dreamed on, all of the dream moves at one speed.
        full = plan_refinement(options, carry, carry.carry_iterations)
        steps = sum(part.iterations for part in full) * frames
        image = shaping.zoom_residual(image, frame, steps) if steps else image
        shaping = replace(shaping, iteration_zoom=1.0)
    weight = step_sizes(dreams, strength, size, iterations, settings, frames, gains)
    image = dream_octaves(
        image,
        settings.objective,
        plan,
        options.jitter,
        key,
        weight,
        shaping,
        frame,
        on_step=settings.on_step,
    )
    done = {"effort": effort, "iterations": float(iterations), "step": carry.carry_step * size}
    return image, done


def step_sizes(
    dreams: list[CarriedDream],
    strength: list[Tensor],
    size: float,
    iterations: int,
    settings: StepSettings,
    frames: float,
    gains: Gains,
) -> Tensor:
    """Return the size of the refinement's steps, in those of the plan: (1, 1, H, W).

    size * local_gain, and where the scene is young, by (1 - age)^2, at least young_step.
    """
    carry = settings.carry
    age = perceived_age(dreams, strength, carry.firmness, gains)
    local = local_gain(strength, carry.firmness, gains)
    sizes = size * resize_linear(local, image_size(age))
    # What is young is not to lack the iterations that the whole can do without.
    young = gains.young_step * min(2.0, carry.carry_iterations * frames / max(1, iterations))
    return sizes + (young - sizes).clamp_min(0) * (1 - age).square()


def settle(state: DreamState, residual: Tensor, settings: StepSettings, gains: Gains) -> DreamState:
    """Return the state with a frame's residual (1, 3, H, W), everything in it older by the frame.

    Within a cross-fade each dream takes its share of what has changed, so that what is shown has
    changed as it did. What came into view is new to both, and goes to both alike.
    """
    # One memory layout, so that a state that was written and read again goes on alike to the bit.
    residual = residual.contiguous(memory_format=torch.channels_last)
    dreams: dict[int, CarriedDream] = {}
    if len(state.dreams) == 1:
        dreams = {n: replace(dream, residual=residual) for n, dream in state.dreams.items()}
    else:
        change = residual - mix_residuals(state.dreams, state.weights)
        new, alike = newness(state, gains), 1 / torch.stack(list(state.weights.values())).sum()
        power = torch.stack([weight**2 for weight in state.weights.values()]).sum()
        for number, dream in state.dreams.items():
            own = state.weights[number] / power
            part = change * (own + new * (alike - own))
            dreams[number] = replace(dream, residual=dream.residual + part)
    ageing = 1 - math.exp(-min(settings.seconds, gains.longest_frame) / gains.age_time)
    approach = 1 - math.exp(-min(settings.seconds, gains.longest_frame) / gains.setpoint_time)
    approach = approach if settings.carry.firmness > 0 else 0.0
    for number, dream in dreams.items():
        dreams[number] = replace(
            dream,
            age=dream.age + ageing * (1 - dream.age),
            setpoint=dream.setpoint.approach(dream.setpoint_target, approach),
        )
    return replace(state, dreams=dreams)


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
    gained = settings.objective.measure(image) - settings.objective.measure(frame)
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
    new = newness(state, gains)
    ratios = [dream.energy_ratio(gains) for dream in dreams]
    age = perceived_age(dreams, ratios, settings.carry.firmness, gains)
    missing = missing_forms(ratios)
    energies = measure_bands(dreams[0].residual, gains)
    numbers = dict(measured)
    numbers["finite"] = torch.isfinite(dreams[0].residual).all().float()
    numbers["young_share"] = (age < gains.young_below_age).float().mean()
    numbers["missing"] = (missing * resize_area(1 - new, image_size(missing))).amax()
    numbers["coverage"] = 1 - new.mean()
    for number, band in enumerate(energies.bands):
        numbers[f"energy.{number}"] = band
        numbers[f"setpoint.{number}"] = dreams[0].setpoint.bands[number]
    numbers["energy.lines"] = energies.lines
    numbers["setpoint.lines"] = dreams[0].setpoint.lines
    for number, colour in enumerate(("red", "green", "blue")):
        numbers[f"mean.{colour}"] = energies.mean[number]
    grid = grid_size(height, width, gains.crop_block * max(height, width))
    uncovered = (1 - new < gains.fill_below_coverage).float()
    values = [value.reshape(1).float() for value in numbers.values()]
    blocks = resize_area(uncovered, grid).reshape(-1)
    return Pending(tuple(numbers), torch.cat([*values, blocks]), grid)
