"""What a student is trained to minimise, and the running means that are shown of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

LOSS_MEAN_DECAY = 0.99
"""Decay a step of the running means of the losses that are shown."""
LOSS_POWER_FLOOR_SHARE = 0.1
"""A channel's squared error is divided by its power plus this share of its layer's mean power, so
that a channel that rarely responds does not outweigh the others."""


def compute_activation_error(ours: Tensor, theirs: Tensor, channel_power: Tensor) -> Tensor:
    """Return the mean over channels of the squared error, divided by the teacher's power.

    The power is the batch's own where that is greater: activations of a dreamed batch are ten times
    as large as a photograph's, and would outweigh all others.

    Args:
        ours: (N, C, h, w), the student's activations of a layer.
        theirs: Of the same shape, the teacher's; it gets no gradient.
        channel_power: (C,), mean square of the teacher's channels on photographs.
    """
    theirs = theirs.detach().float()
    power = torch.maximum(channel_power, compute_channel_power(theirs))
    power = power + LOSS_POWER_FLOOR_SHARE * power.mean()
    return ((ours.float() - theirs).square().mean(dim=(0, 2, 3)) / power).mean()


def compute_channel_power(activation: Tensor) -> Tensor:
    """Return the mean square (C,) of each channel of (N, C, H, W)."""
    return activation.float().square().mean(dim=(0, 2, 3))


def sum_layer_power(activations: Mapping[str, Tensor], layers: Sequence[str]) -> Tensor:
    """Return the sum over images of the mean square of each one's own layer.

    Args:
        activations: (N, C, h, w) by layer.
        layers: Of each of the N images.
    """
    numbers_by_layer: dict[str, list[int]] = {}
    for number, layer in enumerate(layers):
        numbers_by_layer.setdefault(layer, []).append(number)
    parts = [
        activations[layer][numbers].float().square().mean(dim=(1, 2, 3)).sum()
        for layer, numbers in numbers_by_layer.items()
    ]
    return torch.stack(parts).sum()


def update_running_mean(before: float | None, now: float) -> float:
    """Return a running mean after a new value; before: None at the first one."""
    return now if before is None else before + (1 - LOSS_MEAN_DECAY) * (now - before)
