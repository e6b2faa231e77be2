"""Dreams what has just come into view, on crops of the frame."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from dreamflow.dream.octaves import OctavePlan
from dreamflow.temporal.control.effort_controller import duration_in_frames
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.control.plans import plan_fill, plan_movers
from dreamflow.temporal.motion.montage import Montage, find_montage
from dreamflow.temporal.motion.motion import Motion
from dreamflow.temporal.state import DreamState, HostFacts
from dreamflow.temporal.step_settings import FILL_KEY, MOVERS_KEY, Key, StepSettings

MAX_SHARE_ALONE = 0.7
"""What moves gets crops of its own only where these have at most this share of all crops' area: the
first pass over a new size of image takes a network as long as two or three steps."""


def fill(
    image: Tensor,
    frame: Tensor,
    state: DreamState,
    weak_parts: Tensor,
    motion: Motion,
    settings: StepSettings,
    gains: Gains,
    key: Key,
) -> tuple[Tensor, int]:
    """Dream with large steps where the scene came into view, on crops that hold such areas.

    What moves, and what it has just left, counts as new as far as it is weak: `weak_parts`, see
    `newness_of_parts`. It has further steps, on crops that hold what moves alone; see
    `plan_movers`.

    Returns:
        (image, number of crops).
    """
    frames, scale = duration_in_frames(settings.seconds, gains), settings.look_scale
    plan = plan_fill(settings.dream, settings.carry, frames, gains, scale)
    if not plan:
        return image, 0
    min_side_px = settings.min_crop_side_px
    shares, movers = _mark_blocks(state.facts, motion)
    montage = find_montage(image, shares, movers, min_side_px, gains)
    if montage is None:
        return image, 0
    new = torch.maximum(state.newness(gains), weak_parts)
    image = _dream_crops(montage, image, frame, plan, new, settings, (*key, FILL_KEY))
    nothing = np.zeros_like(shares)
    # No margin: around something small it would be half of the crop, and most steps are here.
    alone = find_montage(image, nothing, movers, min_side_px, gains, 0)
    if alone is None:
        return image, len(montage.crops)
    if alone.area_px > MAX_SHARE_ALONE * montage.area_px:
        alone = montage
    missing, area = state.facts.missing_on_movers, alone.area_px / math.prod(image.shape[2:])
    further = plan_movers(settings.dream, settings.carry, missing, area, frames, gains, scale)
    if further:
        # Half a stride to each side tries all places of the layer's grid. Larger shifts take what
        # moves over the edge of its small crop more often.
        jitter = settings.dream.jitter
        if stride := settings.objective.stride:
            jitter = min(jitter, stride // 2)
        image = _dream_crops(
            alone, image, frame, further, weak_parts, settings, (*key, MOVERS_KEY), jitter
        )
    return image, len(montage.crops)


def _dream_crops(
    montage: Montage,
    image: Tensor,
    frame: Tensor,
    plan: list[OctavePlan],
    weight: Tensor,
    settings: StepSettings,
    key: tuple[int, ...],
    jitter: int | None = None,
) -> Tensor:
    """Return an image with its crops dreamed on; see `StepSettings.dream_carried`."""
    part, source, sizes = (montage.gather(whole) for whole in (image, frame, weight))
    return montage.scatter(settings.dream_carried(part, source, plan, sizes, key, jitter), image)


def _mark_blocks(facts: HostFacts, motion: Motion) -> tuple[np.ndarray, np.ndarray]:
    """Return what share of each block needs large steps, and what share of it moves and is weak."""
    shares, movers = motion.disoccluded, np.zeros_like(motion.disoccluded)
    if (uncovered := facts.uncovered) is not None and uncovered.shape == shares.shape:
        shares = (shares + uncovered).clip(0, 1)
        if motion.movers is not None:
            movers = motion.movers.shares * (uncovered > 0)
    return shares, movers
