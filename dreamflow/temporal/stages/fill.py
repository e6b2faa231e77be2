"""Dreams what has just come into view, on crops of the frame."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from dreamflow.dream.octaves import dream_octaves
from dreamflow.temporal.control.effort_controller import duration_in_frames
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.control.parts import newness_of_movers, newness_on_movers
from dreamflow.temporal.control.plans import plan_fill, plan_movers
from dreamflow.temporal.motion.crops import find_crops
from dreamflow.temporal.motion.motion import Motion
from dreamflow.temporal.state import DreamState
from dreamflow.temporal.step_settings import Key, StepSettings

PLAN_KEY, MOVERS_KEY = 0, 1
"""Keep the random shifts of what came into view apart from those of what moves."""


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

    What moves, and what it has just left, counts as new as far as it is weak; see
    `newness_of_movers`. What moves has further steps; see `plan_movers`.

    Returns:
        (image, number of crops).
    """
    frames, scale = duration_in_frames(settings.seconds, gains), settings.look_scale
    plan = plan_fill(settings.dream, settings.carry, frames, gains, scale)
    missing = state.facts.missing_on_movers
    further = plan_movers(settings.dream, settings.carry, missing, frames, gains, scale)
    shares, movers = motion.disoccluded, None
    if (uncovered := state.facts.uncovered) is not None and uncovered.shape == shares.shape:
        shares = (shares + uncovered).clip(0, 1)
        movers = motion.movers and motion.movers.shares * (uncovered > 0)
    height, width = image.shape[2:]
    new = torch.maximum(state.newness(gains), newness_of_movers(state, gains))
    passes = [(PLAN_KEY, plan, new)]
    if further:
        passes.append((MOVERS_KEY, further, newness_on_movers(state, gains)))
    crops = find_crops(shares, height, width, settings.min_crop_side_px, gains, movers)
    if not plan or not crops:
        return image, 0
    # The dream's own zoom is about the middle of the frame, not of a crop.
    shaping = replace(settings.shaping, iteration_zoom=1.0)
    image = image.clone()
    for number, (rows, columns) in enumerate(crops, start=1):
        for part, steps, weight in passes:
            image[:, :, rows, columns] = dream_octaves(
                image[:, :, rows, columns],
                settings.objective,
                steps,
                settings.dream.jitter,
                (*key, number, part),
                weight[:, :, rows, columns],
                shaping,
                frame[:, :, rows, columns],
                on_step=settings.on_step,
            )
    return image, len(crops)
