"""Local response normalisation over channels, with its gradient in closed form.

    y_i = x_i * s_i^-0.75,   s_i = 1 + (1e-4 / 5) * sum of x_j^2 over the 5 channels around i

These are bvlc_googlenet's constants (Krizhevsky et al. 2012, section 3.3, as Caffe computes it).
PyTorch's own took over half of a whole pass on a CPU. Here s^-0.25 is two square roots, which the
pass back needs no more than to multiply, the sum over channels three additions, and all of it is
done on a few rows at a time, which stay in the processor's cache from the first operation to the
last. Of a lesser dtype only what comes and goes is: the squares of activations in the hundreds are
summed in float32.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

WINDOW_CHANNELS = 5
ALPHA = 1e-4
BETA = 0.75
BLOCK_VALUES = 2**18
"""Values worked on at a time on a CPU: a megabyte, so that a block's few copies stay in the
processor's cache. 2^15 to 2^17 were slower, 2^19 is no faster."""
WINDOW_RADIUS = WINDOW_CHANNELS // 2


class _Workspace:
    """Where a block is worked on; its memory is used again for the next one."""

    def __init__(self, like: Tensor, count: int) -> None:
        """like: rows (n, C), of the dtype to work in. count: of rows of a block."""
        channels = like.shape[1]
        self.padded = like.new_zeros(count, channels + 2 * WINDOW_RADIUS)
        self.pairs = like.new_empty(count, channels + 2 * WINDOW_RADIUS - 1)
        self.spare = like.new_empty(count, channels)
        self.other = like.new_empty(count, channels)

    def take_rows(self, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return as many rows of it: padded values, sums of pairs, and two spares."""
        return self.padded[:count], self.pairs[:count], self.spare[:count], self.other[:count]


def strip_padding(padded: Tensor) -> Tensor:
    """Return what is between the zeros."""
    return padded[:, WINDOW_RADIUS:-WINDOW_RADIUS]


def sum_channel_windows(padded: Tensor, pairs: Tensor, out: Tensor) -> None:
    """Write to out (n, C) the sum over the five channels around each one of padded (n, C + 4)."""
    torch.add(padded[:, :-1], padded[:, 1:], out=pairs)
    torch.add(pairs[:, : out.shape[1]], pairs[:, WINDOW_CHANNELS - 2 :], out=out)
    out.add_(strip_padding(padded))


def iterate_blocks(*tensors: Tensor) -> Iterator[tuple[_Workspace, tuple[Tensor, ...]]]:
    """Yield a few rows of each of some tensors (n, C) at a time, and room to work on them.

    The room is of the dtype of the first one.
    """
    rows, channels = tensors[0].shape
    on_cpu = tensors[0].device.type == "cpu"
    count = max(1, min(rows, BLOCK_VALUES // channels)) if on_cpu else max(1, rows)
    room = _Workspace(tensors[0], count)
    yield from ((room, parts) for parts in zip(*(t.split(count) for t in tensors), strict=True))


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
        exact = torch.promote_types(rows.dtype, torch.float32)
        out, roots = torch.empty_like(rows), torch.empty_like(rows, dtype=exact)
        for room, (root, part, target) in iterate_blocks(roots, rows, out):
            values = part.to(exact)
            padded, pairs, power, _ = room.take_rows(len(values))
            torch.mul(values, values, out=strip_padding(padded))
            sum_channel_windows(padded, pairs, root)
            root.mul_(ALPHA / WINDOW_CHANNELS).add_(1.0).sqrt_().rsqrt_()
            torch.mul(root, root, out=power).mul_(root)
            torch.mul(values, power, out=target)
        ctx.save_for_backward(rows, roots)
        ctx.shape = x.shape
        return as_maps(out, x.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        # dL/dx_i = g_i s_i^-b - 2 b x_i * sum over windows j that hold i of (a/n) g_j x_j s_j^-b-1
        rows, roots = ctx.saved_tensors
        back = torch.empty_like(rows)
        for room, (root, part, grad, target) in iterate_blocks(
            roots, rows, as_rows(grads[0]), back
        ):
            values = part.to(roots.dtype)
            padded, pairs, square, scaled = room.take_rows(len(values))
            torch.mul(root, root, out=square)
            torch.mul(square, root, out=scaled).mul_(grad)
            torch.mul(square.mul_(square).mul_(scaled), values, out=strip_padding(padded))
            sum_channel_windows(padded, pairs, square)
            strength = -2 * BETA * ALPHA / WINDOW_CHANNELS
            torch.addcmul(scaled, values, square, value=strength, out=target)
        return as_maps(back, ctx.shape)


def local_response_norm(x: Tensor) -> Tensor:
    """Normalise each value of x (N, C, H, W) by the power of the five channels around it."""
    out = _LocalResponseNorm.apply(x)
    assert isinstance(out, Tensor)
    return out


def twice_differentiable_response_norm(x: Tensor) -> Tensor:
    """Do the same with PyTorch's own operations: slower, but it can be differentiated twice."""
    squares = F.pad(as_rows(x * x), (WINDOW_CHANNELS // 2, WINDOW_CHANNELS // 2))
    summed = squares.unfold(1, WINDOW_CHANNELS, 1).sum(dim=2)
    scale = as_maps(summed, x.shape) * (ALPHA / WINDOW_CHANNELS) + 1.0
    return x * (scale * scale.sqrt()).rsqrt()
