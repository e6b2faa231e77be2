"""The first convolution of a network, with a gradient that is cheap to compute.

A 7x7 convolution of stride 2 on three channels is the costliest layer of a backward pass: its
transposed convolution has so few output channels that processors run it at a fifth of their speed.
Each pixel of the gradient belongs to one of 2x2 phases; taken as twelve channels at half the
size, they are one 4x4 convolution of stride 1, which runs at full speed (Shi et al. 2016,
"Real-Time Single Image and Video Super-Resolution", show the two to be the same).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

STEM_KERNEL, STEM_STRIDE, STEM_PAD = 7, 2, 3
"""The only shape that this is for: GoogLeNet's first layer, and most networks' after it."""
PHASE_PAD = 2
"""Padding of the convolution with `phase_weight`."""


def is_stem_shape(kernel: int, stride: int, pad: int) -> bool:
    """Return whether a convolution has the shape that this is for."""
    return (kernel, stride, pad) == (STEM_KERNEL, STEM_STRIDE, STEM_PAD)


def make_phase_kernel(weight: Tensor) -> Tensor:
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


def interleave_phases(phased: Tensor, height: int, width: int) -> Tensor:
    """Return phases (N, 4 I, h, w), as `phase_weight` gives them, as pixels (N, I, height, width).

    The first row and column of phases are outside of the picture.
    """
    halves = phased[:, :, 1:, 1:].permute(0, 2, 3, 1)
    count, rows, columns, channels = halves.shape
    apart = halves.unflatten(3, (2, 2, channels // 4)).permute(0, 1, 3, 2, 4, 5)
    whole = apart.reshape(count, 2 * rows, 2 * columns, channels // 4).permute(0, 3, 1, 2)
    return whole[:, :, :height, :width]
