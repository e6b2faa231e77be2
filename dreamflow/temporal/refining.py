"""How a carried frame is dreamed on: what is new, what has faded, and then all of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch import Tensor

from dreamflow.core.tensors import array_to_tensor
from dreamflow.dream.gradient_shaping import GradientShaping
from dreamflow.dream.octaves import dream_octaves
from dreamflow.pipelines.settings.timeline import FrameSettings
from dreamflow.temporal.carried import (
    carried_plan,
    eased,
    effort,
    evening,
    faded,
    mixed,
    reached_by,
    regrowth_plan,
    seen_for,
    uncover_plan,
    young,
)
from dreamflow.temporal.carry import Carried
from dreamflow.temporal.regions import regions

YOUNG = 0.2
"""Areas less grown than 1 less this get the extra iterations."""
FORMS_KEY = 0
"""Keeps the shifts of the regrowth apart from those of the regions, which count from 1."""


def refined(
    source: Tensor,
    coming: dict[int, Carried],
    now: FrameSettings,
    key: tuple[int, int],
    least: float,
) -> Tensor:
    """Return the dream of a frame, float32 (1, 3, H, W), RGB in [0, 1], on what is carried.

    source: the frame, alike. now: the settings of the moment. key: the seed and the frame's index.
    least: see `effort`.
    """
    options, carry = now.options, now.carry
    residual = mixed(coming, now.keyframe_weights)
    image = (source + array_to_tensor(residual, source.device)).clamp_(0, 1)
    new = young(coming)
    image = caught_up(image, source, new, now, key)
    reached = reached_by(coming)
    image = regrown(image, source, faded(reached, *new.shape) * (1 - new), now, key)
    hard = effort(coming, carry.firmness, least)
    even = evening(reached, carry.firmness)
    seen = seen_for(coming, reached, carry.firmness)
    plan, share = eased(options, carry, hard, seen, even)
    weight = None if share is None else array_to_tensor(share, source.device)
    shaping = GradientShaping.from_options(options)
    if shaping.iteration_zoom != 1:
        # However little is dreamed on, all of the dream moves at one speed.
        steps = sum(part.iterations for part in carried_plan(options, carry))
        image = shaping.zoom_residual(image, source, steps) if steps else image
        shaping = replace(shaping, iteration_zoom=1.0)
    return dream_octaves(image, now.objective, plan, options.jitter, key, weight, shaping, source)


def caught_up(
    image: Tensor, source: Tensor, new: np.ndarray, now: FrameSettings, key: tuple[int, int]
) -> Tensor:
    """Dream harder where the scene came into view, on just the parts that hold such areas.

    new: float32 (H, W) in [0, 1], where there is no dream yet.
    """
    plan = uncover_plan(now.options, now.carry)
    if not plan:
        return image
    # The dream's movement is about the middle of the frame, not of a part of it.
    shaping = replace(GradientShaping.from_options(now.options), iteration_zoom=1.0)
    image = image.clone()
    for number, (rows, columns) in enumerate(regions(new > YOUNG, now.objective.min_side_px)):
        image[:, :, rows, columns] = dream_octaves(
            image[:, :, rows, columns],
            now.objective,
            plan,
            now.options.jitter,
            # The region's number, from 1, keeps its shifts apart from those of the refinement.
            (*key, 1 + number),
            array_to_tensor(new[rows, columns], image.device),
            shaping,
            source[:, :, rows, columns],
        )
    return image


def regrown(
    image: Tensor, source: Tensor, missing: np.ndarray, now: FrameSettings, key: tuple[int, int]
) -> Tensor:
    """Dream on the forms of what is carried, as far as they are missing: float32 (H, W), of 1."""
    most = float(missing.max())
    plan = regrowth_plan(now.options, now.carry, most)
    if not plan:
        return image
    weight = array_to_tensor(missing / most, image.device)
    shaping = replace(GradientShaping.from_options(now.options), iteration_zoom=1.0)
    own_key = (*key, FORMS_KEY)
    return dream_octaves(
        image, now.objective, plan, now.options.jitter, own_key, weight, shaping, source
    )
