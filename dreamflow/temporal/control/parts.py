"""How strong a dream is on what moves by itself, and on the ground that it has just left."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dreamflow.core.imaging.arrays import image_size
from dreamflow.core.imaging.filters import resize_linear
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.state import CarriedDream, DreamState, Ground

TINY_SHARE = 0.01
"""A fresh dream's gain that is smaller than this share of its largest counts as not measured."""


def missing_on_movers(ground: Ground, gains: Gains) -> Tensor:
    """Return the missing amplitude of the objective on what moves: (1, 1, h, w) in [-1, 1].

    1 - sqrt(gain / (mover_setpoint * reference gain)) by area; where nothing is measured yet
    `mover_unmeasured`.
    """
    own, fresh = ground.measured[:, 0:1], ground.measured[:, 2:3] * gains.mover_setpoint
    return _missing(own, fresh, gains.mover_unmeasured)


def missing_on_vacated(ground: Ground, setpoint: float) -> Tensor:
    """Return the missing amplitude of the objective on vacated ground: (1, 1, h, w) in [-1, 1].

    1 - sqrt(gain / (setpoint * reference gain)) by area, 0 where nothing is measured.
    """
    return _missing(ground.measured[:, 1:2], ground.measured[:, 3:4] * setpoint, 0.0)


def _missing(own: Tensor, fresh: Tensor, unmeasured: float) -> Tensor:
    tiny = (TINY_SHARE * fresh.amax()).clamp_min(1e-9)
    ratio = (own + (1 - unmeasured) ** 2 * tiny) / (fresh + tiny)
    return (1 - ratio.sqrt()).clamp(-1, 1)


def newness_on_movers(state: DreamState, gains: Gains) -> Tensor:
    """Return how far what moves counts as new: (1, 1, H, W) in [0, 1].

    It loses forms in every frame, which are dreamed again unless it is too strong.
    """
    dreams = list(state.dreams.values())
    new = [torch.zeros_like(dreams[0].age)]
    for dream in dreams:
        if (ground := dream.ground) is not None:
            missing = resize_linear(missing_on_movers(ground, gains), image_size(ground.age))
            moving = (gains.mover_newness + gains.mover_regrowth * missing).clamp(0, 1)
            new.append(ground.hidden * moving)
    return torch.stack(new).amax(0)


def newness_of_parts(state: DreamState, gains: Gains) -> Tensor:
    """Return how far what moves and what it has just left count as new: (1, 1, H, W) in [0, 1].

    What it leaves is dreamed on until it is as strong as a fresh dream there; see
    `newness_on_movers`.
    """
    new = [newness_on_movers(state, gains)]
    for dream in state.dreams.values():
        if (ground := dream.ground) is not None:
            missing = resize_linear(missing_on_vacated(ground, 1.0), image_size(ground.age))
            new.append(ground.vacated * (gains.vacated_regrowth * missing).clamp(0, 1))
    return torch.stack(new).amax(0)


def mean_missing_on_movers(dreams: Sequence[CarriedDream], gains: Gains) -> Tensor:
    """Return the missing amplitude of the objective on all that moves: a () in [0, 1]."""
    means = [torch.zeros((), device=dreams[0].age.device)]
    for dream in dreams:
        if (ground := dream.ground) is not None:
            hidden = ground.hidden
            missing = missing_on_movers(ground, gains).clamp_min(0)
            mean = (resize_linear(missing, image_size(hidden)) * hidden).sum() / (hidden.sum() + 1)
            means.append(mean)
    return torch.stack(means).amax(0)


def fading_of_excess(ground: Ground, gains: Gains) -> Tensor:
    """Return what share of a dream is lost in a frame where it is too strong: (1, 1, H, W), 0 to 1.

    A creature grows over the edge of what moves, and stays on the ground when that has gone. What
    moves is judged as a whole: a creature's face, stronger than the rest of it, is not to fade.
    """
    own, fresh = (ground.measured[:, part].sum() for part in (0, 2))
    whole = _missing(own, fresh * gains.mover_setpoint, gains.mover_unmeasured)
    excess = -resize_linear(missing_on_vacated(ground, gains.vacated_limit), image_size(ground.age))
    fading = gains.vacated_fading * excess.clamp_min(0) * ground.vacated
    fading = fading + gains.mover_fading * (-whole).clamp_min(0) * ground.hidden
    return fading.clamp_max(1)
