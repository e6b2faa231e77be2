"""The first convolution of a network, with a gradient that is cheap to compute.

A 7x7 convolution of stride 2 on three channels is the costliest layer of a backward pass: its
transposed convolution has so few output channels that processors run it at a fifth of their speed.
Each pixel of the gradient belongs to one of 2x2 phases; taken as twelve channels at half the
size, they are one 4x4 convolution of stride 1, which runs at full speed (Shi et al. 2016,
"Real-Time Single Image and Video Super-Resolution", show the two to be the same).
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

KERNEL, STRIDE, PAD = 7, 2, 3
"""The only shape that this is for: GoogLeNet's first layer, and most networks' after it."""


def fits(kernel: int, stride: int, pad: int) -> bool:
    """Return whether a convolution has the shape that this is for."""
    return (kernel, stride, pad) == (KERNEL, STRIDE, PAD)


def phase_weight(weight: Tensor) -> Tensor:
    """Return the kernel (4 I, O, 4, 4) of the gradient for a weight (O, I, 7, 7).

    Its output channels are (phase down, phase across, I), so that putting the phases together
    moves whole pixels.

    With u = 2a + d the tap of the forward kernel, counted from its middle, the gradient at pixel
    2Z + d is the sum over a of weight[u] * grad[Z - a].
    """
    out, channels = weight.shape[:2]
    whole = F.pad(weight, (1, 0, 1, 0)).view(out, channels, 4, 2, 4, 2).flip(2, 4)
    phases = whole.permute(3, 5, 1, 0, 2, 4).reshape(channels * 4, out, 4, 4)
    return phases.contiguous(memory_format=torch.channels_last)


class _Stem(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, phases: Tensor) -> Tensor:
        ctx.save_for_backward(phases)
        ctx.size = x.shape[2:]
        return F.conv2d(x, weight, bias, STRIDE, PAD)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        (phases,) = ctx.saved_tensors
        height, width = ctx.size
        halves = F.conv2d(grads[0], phases, padding=2)[:, :, 1:, 1:].permute(0, 2, 3, 1)
        count, rows, columns, channels = halves.shape
        phased = halves.unflatten(3, (2, 2, channels // 4)).permute(0, 1, 3, 2, 4, 5)
        whole = phased.reshape(count, 2 * rows, 2 * columns, channels // 4).permute(0, 3, 1, 2)
        return whole[:, :, :height, :width], None, None, None


def stem_convolution(x: Tensor, weight: Tensor, bias: Tensor, phases: Tensor) -> Tensor:
    """Convolve x (N, I, H, W) with a frozen weight (O, I, 7, 7), stride 2, pad 3.

    phases: `phase_weight(weight)`. Only x gets a gradient.
    """
    out = _Stem.apply(x, weight, bias, phases)
    assert isinstance(out, Tensor)
    return out
