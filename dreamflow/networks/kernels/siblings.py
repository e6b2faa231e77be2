"""Convolutions of one input as one convolution: the 1x1 branches of an inception module.

Each reads the whole input, and each call costs more than its arithmetic where images are small. So
their kernels are stacked, and what comes out is divided again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from dreamflow.networks.kernels.convolution import FrozenConvolution


class SiblingConvolutions:
    """Convolutions that read one input, alike in all but their kernels and channels."""

    def __init__(self, layers: Sequence[FrozenConvolution]) -> None:
        """Stack convolutions of one kernel size, stride and padding, all with a ReLU."""
        first = layers[0]
        self.layers = tuple(layers)
        self.channels = [len(layer.bias) for layer in layers]
        self.stacked = FrozenConvolution(
            torch.cat([layer.weight for layer in layers]),
            torch.cat([layer.bias for layer in layers]),
            first.stride,
            first.pad,
            first.kernels,
        )

    def __call__(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the output (N, O, h, w) of each, channels-last, for x (N, I, H, W)."""
        if not self.stacked.uses_onednn:
            return tuple(layer(x) for layer in self.layers)
        return cast(tuple[Tensor, ...], _OneDnnSiblings.apply(x, self))


class _OneDnnSiblings(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, siblings: SiblingConvolutions) -> tuple[Tensor, ...]:
        out = siblings.stacked.convolve_onednn(x)
        ctx.stacked, ctx.size = siblings.stacked, x.shape[2:]
        ctx.save_for_backward(out)
        parts = torch.split(out, siblings.channels, 1)
        return tuple(part.contiguous(memory_format=torch.channels_last) for part in parts)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor, None]:
        (out,) = ctx.saved_tensors
        grad = torch.ops.aten.threshold_backward(torch.cat(grads, 1), out, 0)
        return ctx.stacked.compute_input_gradient(grad, *ctx.size), None
