"""Local response normalisation over channels, with its gradient in closed form.

    y_i = x_i * s_i^-0.75,   s_i = 1 + (1e-4 / 5) * sum of x_j^2 over the 5 channels around i

The constants are bvlc_googlenet's (Krizhevsky et al. 2012, section 3.3, as Caffe computes it).
PyTorch's own normalisation takes over half of a whole pass on a CPU. Here the forward pass keeps
s^-0.25, two square roots, so that the backward pass only multiplies; the sum over channels is three
additions; and all of it runs on a block of rows at a time, which stays in the processor's cache
from the first operation to the last. In a lower precision only input and output are of that dtype:
squares of activations in the hundreds are summed in float32.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamflow.networks.kernels.layout import flatten_positions, unflatten_positions

WINDOW_CHANNELS = 5
"""Channels in a sum."""
WINDOW_RADIUS = WINDOW_CHANNELS // 2
"""Channels in a sum on each side of the one that is normalised."""
ALPHA = 1e-4
"""Weight of the mean square: s = 1 + ALPHA / WINDOW_CHANNELS * sum."""
BETA = 0.75
"""Exponent: y = x * s ** -BETA."""
BLOCK_VALUES = 2**18
"""Values in a block on a CPU: one megabyte of float32, so that a block's few copies stay in the
processor's cache. Measured: 2^15 to 2^17 are slower, 2^19 is no faster."""


class _Workspace:
    """Scratch tensors for one block of rows, reused for the next block."""

    def __init__(self, like: Tensor, count: int) -> None:
        """like: rows (n, C) of the dtype to compute in. count: rows of a block."""
        channels = like.shape[1]
        self.padded = like.new_zeros(count, channels + 2 * WINDOW_RADIUS)
        self.pairs = like.new_empty(count, channels + 2 * WINDOW_RADIUS - 1)
        self.first = like.new_empty(count, channels)
        self.second = like.new_empty(count, channels)

    def take_rows(self, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return that many rows of each: zero-padded values, sums of pairs, and two spares."""
        return self.padded[:count], self.pairs[:count], self.first[:count], self.second[:count]


def _strip_padding(padded: Tensor) -> Tensor:
    return padded[:, WINDOW_RADIUS:-WINDOW_RADIUS]


def _sum_channel_windows(padded: Tensor, pairs: Tensor, out: Tensor) -> None:
    """Write to out (n, C) the sum over the five channels around each one of padded (n, C + 4)."""
    torch.add(padded[:, :-1], padded[:, 1:], out=pairs)
    torch.add(pairs[:, : out.shape[1]], pairs[:, WINDOW_CHANNELS - 2 :], out=out)
    out.add_(_strip_padding(padded))


def _iterate_blocks(*tensors: Tensor) -> Iterator[tuple[_Workspace, tuple[Tensor, ...]]]:
    """Yield a block of rows of each tensor (n, C), and a workspace of the first one's dtype."""
    rows, channels = tensors[0].shape
    on_cpu = tensors[0].device.type == "cpu"
    count = max(1, min(rows, BLOCK_VALUES // channels)) if on_cpu else max(1, rows)
    workspace = _Workspace(tensors[0], count)
    for parts in zip(*(torch.split(tensor, count) for tensor in tensors), strict=True):
        yield workspace, parts


def local_response_norm(x: Tensor) -> tuple[Tensor, Tensor]:
    """Normalise x (N, C, H, W) by the power of the five channels around each.

    Returns:
        ((N, C, H, W); the roots that `response_norm_gradient` needs, (N H W, C), in float32 at
        least).
    """
    rows = flatten_positions(x)
    exact = torch.promote_types(rows.dtype, torch.float32)
    out, roots = torch.empty_like(rows), torch.empty_like(rows, dtype=exact)
    for workspace, (root, part, target) in _iterate_blocks(roots, rows, out):
        values = part.to(exact)
        padded, pairs, power, _ = workspace.take_rows(len(values))
        torch.mul(values, values, out=_strip_padding(padded))
        _sum_channel_windows(padded, pairs, root)
        root.mul_(ALPHA / WINDOW_CHANNELS).add_(1.0).sqrt_().rsqrt_()
        torch.mul(root, root, out=power).mul_(root)
        torch.mul(values, power, out=target)
    return unflatten_positions(out, x.shape), roots


def response_norm_gradient(grad: Tensor, x: Tensor, roots: Tensor) -> Tensor:
    """Return the gradient of x (N, C, H, W) from that of its normalisation, of the same shape."""
    # dL/dx_i = g_i s_i^-b - 2 b x_i * sum over windows j that hold i of (a/n) g_j x_j s_j^-b-1
    rows = flatten_positions(x)
    back = torch.empty_like(rows)
    for workspace, (root, part, upstream, target) in _iterate_blocks(
        roots, rows, flatten_positions(grad), back
    ):
        values = part.to(roots.dtype)
        padded, pairs, square, scaled = workspace.take_rows(len(values))
        torch.mul(root, root, out=square)
        torch.mul(square, root, out=scaled).mul_(upstream)
        torch.mul(square.mul_(square).mul_(scaled), values, out=_strip_padding(padded))
        _sum_channel_windows(padded, pairs, square)
        strength = -2 * BETA * ALPHA / WINDOW_CHANNELS
        torch.addcmul(scaled, values, square, value=strength, out=target)
    return unflatten_positions(back, x.shape)


def twice_differentiable_response_norm(x: Tensor) -> Tensor:
    """Compute `local_response_norm` by public operators: slower, but twice differentiable."""
    squares = F.pad(flatten_positions(x * x), (WINDOW_RADIUS, WINDOW_RADIUS))
    sums = squares.unfold(1, WINDOW_CHANNELS, 1).sum(dim=2)
    scale = unflatten_positions(sums, x.shape) * (ALPHA / WINDOW_CHANNELS) + 1.0
    return x * (scale * scale.sqrt()).rsqrt()
