"""How strong a dream is on what moves by itself, and on the ground that it has just left."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamflow.core.imaging.arrays import image_size
from dreamflow.core.imaging.filters import resize_linear
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.state import DreamState, Ground

TINY_SHARE = 0.01
"""What counts as nothing measured, as a share of what is measured where most is."""


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


def newness_of_movers(state: DreamState, gains: Gains) -> Tensor:
    """Return how far what moves and what it has just left count as new: (1, 1, H, W) in [0, 1].

    What moves loses forms in every frame; what it leaves is dreamed on until it is as strong as a
    fresh dream there.
    """
    dreams = list(state.dreams.values())
    size = image_size(dreams[0].age)
    new = [torch.zeros_like(dreams[0].age)]
    for dream in dreams:
        if (ground := dream.ground) is not None:
            on_movers = resize_linear(missing_on_movers(ground, gains), size).clamp_min(0)
            on_vacated = resize_linear(missing_on_vacated(ground, 1.0), size)
            moving = (gains.mover_newness + gains.mover_regrowth * on_movers).clamp_max(1)
            left = (gains.vacated_regrowth * on_vacated).clamp(0, 1)
            new += [ground.hidden * moving, ground.vacated * left]
    return torch.stack(new).amax(0)


def fading_of_excess(ground: Ground, gains: Gains) -> Tensor:
    """Return what share of a dream is lost in a frame where it is too strong: (1, 1, H, W), 0 to 1.

    A creature grows over the edge of what moves, and stays on the ground when that has gone. What
    moves is too strong as a whole only: the face of a creature is stronger than the rest of it.
    """
    own, fresh = (ground.measured[:, part].sum() for part in (0, 2))
    whole = _missing(own, fresh * gains.mover_setpoint, gains.mover_unmeasured)
    excess = -resize_linear(missing_on_vacated(ground, gains.vacated_limit), image_size(ground.age))
    fading = gains.vacated_fading * excess.clamp_min(0) * ground.vacated
    fading = fading + gains.mover_fading * (-whole).clamp_min(0) * ground.hidden
    return fading.clamp_max(1)
