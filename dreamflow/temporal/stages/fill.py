"""Dreams what has just come into view, on crops of the frame."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from dreamflow.dream.octaves import OctavePlan, dream_octaves
from dreamflow.temporal.control.effort_controller import duration_in_frames
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.control.parts import newness_of_movers, newness_on_movers
from dreamflow.temporal.control.plans import plan_fill, plan_movers
from dreamflow.temporal.motion.crops import find_crops
from dreamflow.temporal.motion.montage import make_montage
from dreamflow.temporal.motion.motion import Motion
from dreamflow.temporal.state import DreamState
from dreamflow.temporal.step_settings import Key, StepSettings

PLAN_KEY, MOVERS_KEY = 1, 2
"""Keep the random shifts of what came into view, of what moves and of the regrowth apart."""


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
    `newness_of_movers`. What moves has further steps, on crops that hold it alone; see
    `plan_movers`.

    Returns:
        (image, number of crops).
    """
    frames, scale = duration_in_frames(settings.seconds, gains), settings.look_scale
    plan = plan_fill(settings.dream, settings.carry, frames, gains, scale)
    if not plan:
        return image, 0
    shares, movers = motion.disoccluded, np.zeros_like(motion.disoccluded)
    if (uncovered := state.facts.uncovered) is not None and uncovered.shape == shares.shape:
        shares = (shares + uncovered).clip(0, 1)
        if motion.movers is not None:
            movers = motion.movers.shares * (uncovered > 0)
    new = torch.maximum(state.newness(gains), newness_of_movers(state, gains))
    image, crops = _fill_crops(
        *(image, frame, shares, movers, plan, new, settings, gains, (*key, PLAN_KEY))
    )
    missing = state.facts.missing_on_movers
    further = plan_movers(settings.dream, settings.carry, missing, frames, gains, scale)
    if further:
        nothing, moving = np.zeros_like(shares), newness_on_movers(state, gains)
        image, _ = _fill_crops(
            *(image, frame, nothing, movers, further, moving, settings, gains, (*key, MOVERS_KEY))
        )
    return image, crops


def _fill_crops(
    image: Tensor,
    frame: Tensor,
    shares: np.ndarray,
    movers: np.ndarray,
    plan: list[OctavePlan],
    weight: Tensor,
    settings: StepSettings,
    gains: Gains,
    key: tuple[int, ...],
) -> tuple[Tensor, int]:
    """Dream on crops of an image; shares, movers: see `find_crops`.

    Returns:
        (image, number of crops).
    """
    height, width = image.shape[2:]
    crops = find_crops(shares, height, width, settings.min_crop_side_px, gains, movers)
    if not crops:
        return image, 0
    montage = make_montage(crops, height, width, gains)
    dream = dream_octaves(
        montage.gather(image),
        settings.objective,
        plan,
        settings.dream.jitter,
        key,
        montage.gather(weight),
        # The dream's own zoom is about the middle of the frame, not of a crop.
        replace(settings.shaping, iteration_zoom=1.0),
        montage.gather(frame),
        on_step=settings.on_step,
    )
    return montage.scatter(dream, image), len(crops)
