"""The operations of a graph, each with its gradient: what a pass runs, forwards and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from dreamflow.networks.kernels.convolution import FrozenConvolution, mask_by_relu
from dreamflow.networks.kernels.max_pool import MaxPool
from dreamflow.networks.kernels.response_norm import local_response_norm, response_norm_gradient

Maps = tuple[Tensor, ...]
"""Feature maps (N, C, H, W) each."""


class Operation(Protocol):
    """What computes one or more layers from others."""

    def compute(self, *inputs: Tensor) -> tuple[Maps, Maps]:
        """Return the outputs, and what `pull_back` needs of this computation."""
        ...

    def pull_back(self, grads: Sequence[Tensor | None], kept: Maps, shape: torch.Size) -> Maps:
        """Return the gradient of each input.

        Args:
            grads: Of each output; None where nothing depends on it. There is at least one.
            kept: As `compute` returned it.
            shape: Of the first input.
        """
        ...


class Convolution:
    """A convolution, and its ReLU where it has one."""

    def __init__(self, layer: FrozenConvolution, is_grad_masked: bool = False) -> None:
        """Make an operation of a convolution.

        Args:
            layer: The convolution.
            is_grad_masked: Whether the gradient to come is 0 already wherever the ReLU's output is
                0, as that of a `Pool` that masks it; then the ReLU need not mask it.
        """
        self.layer = layer
        self._masks_gradient = layer.has_relu and not is_grad_masked

    def compute(self, *inputs: Tensor) -> tuple[Maps, Maps]:
        """See `Operation.compute`."""
        out = self.layer.compute(*inputs)
        return (out,), (out,) if self._masks_gradient else ()

    def pull_back(self, grads: Sequence[Tensor | None], kept: Maps, shape: torch.Size) -> Maps:
        """See `Operation.pull_back`."""
        (grad,) = grads
        assert grad is not None
        for out in kept:
            grad = mask_by_relu(grad, out)
        return (self.layer.compute_input_gradient(grad, shape),)


class Siblings:
    """Convolutions of one input as one: the 1x1 branches of an inception module.

    Each reads the whole input, and each call costs more than its arithmetic where images are small.
    So their kernels are stacked, and what comes out is divided again.
    """

    def __init__(self, layers: Sequence[FrozenConvolution]) -> None:
        """Stack convolutions of one kernel size, stride and padding, all with a ReLU."""
        first = layers[0]
        self.channels = [len(layer.bias) for layer in layers]
        self.stacked = FrozenConvolution(
            torch.cat([layer.weight for layer in layers]),
            torch.cat([layer.bias for layer in layers]),
            first.stride,
            first.pad,
            first.kernels,
        )

    def compute(self, *inputs: Tensor) -> tuple[Maps, Maps]:
        """See `Operation.compute`."""
        out = self.stacked.compute(*inputs)
        parts = out.split_with_sizes(self.channels, 1)
        return tuple(p.contiguous(memory_format=torch.channels_last) for p in parts), (out,)

    def pull_back(self, grads: Sequence[Tensor | None], kept: Maps, shape: torch.Size) -> Maps:
        """See `Operation.pull_back`."""
        (out,) = kept
        grad = torch.cat([self._fill(n, grad, out) for n, grad in enumerate(grads)], 1)
        return (self.stacked.compute_input_gradient(mask_by_relu(grad, out), shape),)

    def _fill(self, number: int, grad: Tensor | None, out: Tensor) -> Tensor:
        """Return the gradient of one of the outputs: zeros where nothing depends on it."""
        return torch.zeros_like(out[:, : self.channels[number]]) if grad is None else grad


class Pool:
    """A max pool."""

    def __init__(self, pool: MaxPool, masks_relu: bool = False) -> None:
        """Make an operation of a pool.

        Args:
            pool: The pool.
            masks_relu: Whether its input is the output of a ReLU and the gradient is that of the
                pool and of the ReLU. A maximum is 0 only where its whole window is 0, so the few
                values behind the pool are masked instead of the many before it.
        """
        self.pool, self._masks_relu = pool, masks_relu

    def compute(self, *inputs: Tensor) -> tuple[Maps, Maps]:
        """See `Operation.compute`."""
        (x,) = inputs
        out, index = self.pool.compute(x)
        kept = [index, out] if self._masks_relu else [index]
        return (out,), (*kept, x) if self.pool.needs_input(x.device) else (*kept,)

    def pull_back(self, grads: Sequence[Tensor | None], kept: Maps, shape: torch.Size) -> Maps:
        """See `Operation.pull_back`."""
        (grad,) = grads
        assert grad is not None
        if self._masks_relu:
            grad = mask_by_relu(grad, kept[1])
        x = kept[-1] if self.pool.needs_input(grad.device) else None
        return (self.pool.compute_input_gradient(grad, kept[0], shape, x),)


class ResponseNorm:
    """A local response normalisation."""

    def compute(self, *inputs: Tensor) -> tuple[Maps, Maps]:
        """See `Operation.compute`."""
        (x,) = inputs
        out, roots = local_response_norm(x)
        return (out,), (x, roots)

    def pull_back(self, grads: Sequence[Tensor | None], kept: Maps, shape: torch.Size) -> Maps:
        """See `Operation.pull_back`."""
        (grad,) = grads
        assert grad is not None
        return (response_norm_gradient(grad, *kept),)


class Concatenation:
    """Layers side by side: the channels of one behind those of another."""

    def __init__(self, channels: Sequence[int]) -> None:
        """channels: Of each input."""
        self.channels = list(channels)

    def compute(self, *inputs: Tensor) -> tuple[Maps, Maps]:
        """See `Operation.compute`."""
        return (torch.cat(inputs, 1),), ()

    def pull_back(self, grads: Sequence[Tensor | None], kept: Maps, shape: torch.Size) -> Maps:
        """See `Operation.pull_back`."""
        (grad,) = grads
        assert grad is not None
        return grad.split_with_sizes(self.channels, 1)
