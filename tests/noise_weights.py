"""Weights of noise for torchvision's classifiers."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamflow.networks.traced import torchvision_zoo as zoo

HEADS = ("fc.", "AuxLogits.", "aux1.", "aux2.", "classifier.0.", "classifier.3.", "classifier.6.")
"""Prefixes of the weights of last layers, which dreams do not need."""


def noise_state(network: str, seed: int = 0, head: bool = False) -> dict[str, Tensor]:
    """Return a state dict of noise that keeps the activations' size (He et al. 2015).

    Args:
        network: Name of a classifier, with or without `torchvision:`.
        seed: Of the noise.
        head: Whether to include the last layers.
    """
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    for key, shape in zoo.make_meta_classifier(network).state_dict().items():
        if (key.startswith(HEADS) and not head) or not shape.is_floating_point():
            continue
        if shape.dim() > 1:
            fan_in = shape[0].numel()
            state[key] = torch.randn(shape.shape, generator=generator) * (2 / fan_in) ** 0.5
        elif key.endswith(("weight", "running_var")):
            state[key] = 0.8 + 0.4 * torch.rand(shape.shape, generator=generator)
        else:
            state[key] = 0.1 * torch.randn(shape.shape, generator=generator)
    return state
