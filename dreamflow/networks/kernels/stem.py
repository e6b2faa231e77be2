"""The input gradient of a network's first convolution, computed by phases.

A 7x7 convolution of stride 2 on three channels is the costliest layer of a backward pass: its
transposed convolution has so few output channels that processors run it at a fifth of their speed.
Each pixel of the gradient belongs to one of 2x2 phases, by whether its row and column are odd.
Taken as twelve channels at half the size, they are one 4x4 convolution of stride 1, which runs at
full speed (Shi et al. 2016, "Real-Time Single Image and Video Super-Resolution").
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

STEM_KERNEL, STEM_STRIDE, STEM_PAD = 7, 2, 3
"""The only shape supported: that of GoogLeNet's first layer, and of many networks since."""
PHASE_PAD = 2
"""Padding of the convolution with the kernel that `make_phase_kernel` returns, in positions."""


def is_stem_shape(kernel: int, stride: int, pad: int) -> bool:
    """Return whether a convolution has the supported shape."""
    return (kernel, stride, pad) == (STEM_KERNEL, STEM_STRIDE, STEM_PAD)


def make_phase_kernel(weight: Tensor) -> Tensor:
    """Return the kernel of the input gradient, phase by phase.

    With u = 2a + d the tap of the forward kernel, counted from its centre, the gradient at pixel
    2Z + d is the sum over a of weight[u] * grad[Z - a].

    Args:
        weight: (O, I, 7, 7), of the forward convolution.

    Returns:
        (4 I, O, 4, 4), channels-last. Its output channels are ordered (phase down, phase across,
        I), so that `interleave_phases` moves whole pixels.
    """
    out, channels = weight.shape[:2]
    taps = F.pad(weight, (1, 0, 1, 0)).view(out, channels, 4, 2, 4, 2).flip(2, 4)
    phases = taps.permute(3, 5, 1, 0, 2, 4).reshape(channels * 4, out, 4, 4)
    return phases.contiguous(memory_format=torch.channels_last)


def interleave_phases(phases: Tensor, height: int, width: int) -> Tensor:
    """Return the input gradient from its phases.

    Args:
        phases: (N, 4 I, h, w), gradient convolved with `make_phase_kernel`'s kernel; the first row
            and column lie outside of the image.
        height: Of the image, in pixels.
        width: Of the image, in pixels.

    Returns:
        (N, I, height, width).
    """
    inside = phases[:, :, 1:, 1:].permute(0, 2, 3, 1)
    count, rows, columns, channels = inside.shape
    split = inside.reshape(count, rows, columns, 2, 2, channels // 4).permute(0, 1, 3, 2, 4, 5)
    pixels = split.reshape(count, 2 * rows, 2 * columns, channels // 4).permute(0, 3, 1, 2)
    return pixels[:, :, :height, :width]
