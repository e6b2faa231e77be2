"""Estimate of the memory that a pass of a network takes, forward and backward."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor

from dreamflow.networks.network import Network

MEMORY_PROBE_SIDE_PX = 128
"""Side of the image with which the memory of a pass is measured."""
FRAGMENTATION_FACTOR, LARGEST_ACTIVATION_COPIES = 1.5, 3.5
"""Peak of a pass: `FRAGMENTATION_FACTOR * saved + LARGEST_ACTIVATION_COPIES * largest`, in bytes of
all saved tensors and of the largest one. For googlenet's conv2/3x3, inception_4c/output and
inception_5b/output that is 360, 796 and 922 bytes a pixel; 375, 790 and 852 were measured."""


@lru_cache(maxsize=64)
def pass_bytes_per_px(network: Network, layers: tuple[str, ...]) -> float:
    """Return the memory of a pass to some layers, in bytes a pixel.

    It is estimated from what two small passes save; their difference excludes the weights.
    """
    side = max(MEMORY_PROBE_SIDE_PX, *(network.layer(name).smallest for name in layers))
    small, large = (saved_tensor_bytes(network, layers, side * factor) for factor in (1, 2))
    return (estimate_peak_bytes(large) - estimate_peak_bytes(small)) / (3 * side * side)


def estimate_peak_bytes(saved_bytes: Sequence[int]) -> float:
    """Return the peak memory of a pass that saves tensors of these sizes in bytes."""
    return FRAGMENTATION_FACTOR * sum(saved_bytes) + LARGEST_ACTIVATION_COPIES * max(saved_bytes)


def saved_tensor_bytes(network: Network, layers: Sequence[str], side: int) -> list[int]:
    """Return the bytes of each tensor that a forward pass saves for the backward pass.

    Args:
        network: The network.
        layers: The layers that the pass computes.
        side: Side in pixels of the square image that it is given.
    """
    bytes_by_storage: dict[int, int] = {}

    def record(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        bytes_by_storage[storage.data_ptr()] = storage.nbytes()
        return tensor

    image = torch.zeros(1, 3, side, side, device=network.device, requires_grad=True)
    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(record, lambda saved: saved):
        activations = network.activations(image, layers)
    for activation in activations.values():
        record(activation)
    return list(bytes_by_storage.values())
