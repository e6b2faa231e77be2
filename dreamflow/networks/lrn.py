"""Local response normalisation over channels, with its gradient in closed form.

    y_i = x_i * s_i^-0.75,   s_i = 1 + (1e-4 / 5) * sum of x_j^2 over the 5 channels around i

These are bvlc_googlenet's constants (Krizhevsky et al. 2012, section 3.3, as Caffe computes it).
PyTorch's own took over half of a whole pass on a CPU. Here s^-0.75 is two square roots, the sum
over channels four additions, and all of it is done on a few rows at a time, which stay in the
processor's cache from the first operation to the last.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

WINDOW_CHANNELS = 5
ALPHA = 1e-4
BETA = 0.75
BLOCK = 2**17
"""Values worked on at a time on a CPU: half a megabyte, so that a block's few copies fit a core's
cache. Of 2^15 to 2^18, 2^15 was slower, the others alike."""


def window_sum(x: Tensor) -> Tensor:
    """Return for each value of x (..., C) the sum over the five channels around it."""
    total = x.clone()
    for shift in range(1, WINDOW_CHANNELS // 2 + 1):
        total[..., shift:] += x[..., :-shift]
        total[..., :-shift] += x[..., shift:]
    return total


def blocks(like: Tensor) -> int:
    """Return into how many parts rows are best taken."""
    return -(-like.numel() // BLOCK) if like.device.type == "cpu" else 1


def as_rows(x: Tensor) -> Tensor:
    """Return (N, C, H, W) as (N H W, C); no copy where it is channels-last."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def as_maps(rows: Tensor, shape: torch.Size) -> Tensor:
    """Return (N H W, C) as (N, C, H, W), channels-last."""
    count, channels, height, width = shape
    return rows.view(count, height, width, channels).permute(0, 3, 1, 2)


class _LocalResponseNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        rows = as_rows(x)
        out, scale = torch.empty_like(rows), torch.empty_like(rows)
        parts = (tensor.chunk(max(1, blocks(rows))) for tensor in (rows, scale, out))
        for values, scales, target in zip(*parts, strict=True):
            summed = window_sum(values * values).mul_(ALPHA / WINDOW_CHANNELS)
            torch.add(summed, 1.0, out=scales)
            torch.mul(values, (scales * scales.sqrt()).rsqrt_(), out=target)
        ctx.save_for_backward(rows, scale)
        ctx.shape = x.shape
        return as_maps(out, x.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        # dL/dx_i = g_i s_i^-b - 2 b x_i * sum over windows j that hold i of (a/n) g_j x_j s_j^-b-1
        rows, scale = ctx.saved_tensors
        back = torch.empty_like(rows)
        parts = (t.chunk(max(1, blocks(rows))) for t in (rows, scale, as_rows(grads[0]), back))
        for values, scales, grad, target in zip(*parts, strict=True):
            torch.mul(grad, (scales * scales.sqrt()).rsqrt_(), out=target)
            spread = window_sum((target * values).div_(scales))
            target.addcmul_(values, spread, value=-2 * BETA * ALPHA / WINDOW_CHANNELS)
        return as_maps(back, ctx.shape)


def local_response_norm(x: Tensor) -> Tensor:
    """Normalise each value of x (N, C, H, W) by the power of the five channels around it."""
    out = _LocalResponseNorm.apply(x)
    assert isinstance(out, Tensor)
    return out


def plain_local_response_norm(x: Tensor) -> Tensor:
    """Do the same with PyTorch's own operations: slower, but it can be differentiated twice."""
    squares = F.pad(as_rows(x * x), (WINDOW_CHANNELS // 2, WINDOW_CHANNELS // 2))
    summed = squares.unfold(1, WINDOW_CHANNELS, 1).sum(dim=2)
    scale = as_maps(summed, x.shape) * (ALPHA / WINDOW_CHANNELS) + 1.0
    return x * (scale * scale.sqrt()).rsqrt()
