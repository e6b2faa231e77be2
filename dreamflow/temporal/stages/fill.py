"""Dreams what has just come into view, on crops of the frame."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from dreamflow.core.imaging.filters import resize_linear
from dreamflow.dream.octaves import dream_octaves
from dreamflow.temporal.crops import find_crops
from dreamflow.temporal.effort_controller import (
    duration_in_frames,
    missing_forms,
)
from dreamflow.temporal.gains import Gains
from dreamflow.temporal.motion import Motion
from dreamflow.temporal.plans import plan_fill
from dreamflow.temporal.state import DreamState
from dreamflow.temporal.step_settings import Key, StepSettings


def fill(
    image: Tensor,
    frame: Tensor,
    state: DreamState,
    strength: list[Tensor],
    motion: Motion,
    settings: StepSettings,
    gains: Gains,
    key: Key,
) -> tuple[Tensor, int]:
    """Dream with large steps where the scene came into view, on crops that hold such areas.

    What moves loses forms in every frame: it counts as new in part, more so where it is weak.

    Returns:
        (image, number of crops).
    """
    frames = duration_in_frames(settings.seconds, gains)
    plan = plan_fill(settings.dream, settings.carry, frames, gains, settings.look_scale)
    shares = motion.disoccluded
    if state.facts.uncovered is not None and state.facts.uncovered.shape == shares.shape:
        shares = (shares + state.facts.uncovered).clip(0, 1)
    height, width = image.shape[2:]
    new = state.newness(gains)
    if motion.movers is not None and gains.mover_newness > 0:
        moving = resize_linear(motion.movers.here, (height, width))
        missing = resize_linear(missing_forms(strength), (height, width))
        least = gains.mover_newness
        new = torch.maximum(new, moving * (least + (1 - least) * missing))
        shares = (shares + motion.movers.shares).clip(0, 1)
    crops = find_crops(shares, height, width, settings.min_crop_side_px, gains)
    if not plan or not crops:
        return image, 0
    # The dream's own zoom is about the middle of the frame, not of a crop.
    shaping = replace(settings.shaping, iteration_zoom=1.0)
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
