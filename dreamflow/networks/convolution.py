"""Convolutions with frozen weights, each followed by its ReLU.

Only the picture gets a gradient, and with the weights frozen that is a convolution as well: of
stride 1, with the kernel flipped and its channels exchanged. On a CPU both are given to oneDNN as
they are. PyTorch itself would hand a 1x1 convolution on one thread to a matrix product of half the
speed, and take the ReLU as a pass of its own.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from dreamflow.networks import stem


def onednn() -> Any:
    """Return oneDNN's convolution with a fused ReLU, or None where this PyTorch has none."""
    if not torch.backends.mkldnn.is_available():
        return None
    return getattr(torch.ops.mkldnn, "_convolution_pointwise", None)


class FrozenConvolution:
    """One convolution and its ReLU; how its gradient is computed is prepared once."""

    def __init__(self, weight: Tensor, bias: Tensor, stride: int, pad: int) -> None:
        """weight: float32 (O, I, k, k). bias: (O,). stride, pad: of both sides, in positions."""
        self.weight = weight.contiguous(memory_format=torch.channels_last)
        self.bias = bias
        self.stride = stride
        self.pad = pad
        kernel = weight.shape[2]
        self.phases: Tensor | None = None
        self.flipped: Tensor | None = None
        if stem.fits(kernel, stride, pad) and weight.shape[1] == 3:
            self.phases = stem.phase_weight(weight)
        elif stride == 1 and pad < kernel:
            turned = weight.flip(2, 3).transpose(0, 1)
            self.flipped = turned.contiguous(memory_format=torch.channels_last)

    def to(self, device: torch.device) -> FrozenConvolution:
        """Return the same convolution on a device."""
        moved = object.__new__(FrozenConvolution)
        moved.__dict__ = {
            key: value.to(device) if isinstance(value, Tensor) else value
            for key, value in self.__dict__.items()
        }
        return moved

    def __call__(self, x: Tensor, masked: bool = False) -> Tensor:
        """Return the ReLU of the convolution of x (N, I, H, W).

        masked: whether the gradient that will come is 0 already where the ReLU was.
        """
        direct = onednn() if x.device.type == "cpu" and x.dtype == torch.float32 else None
        if direct is None or (self.phases is None and self.flipped is None):
            return F.relu_(self.plain(x))
        out = _Convolution.apply(x, self, masked)
        assert isinstance(out, Tensor)
        return out

    def plain(self, x: Tensor) -> Tensor:
        """Return the convolution before the ReLU, with PyTorch's own operations."""
        return F.conv2d(x, self.weight, self.bias, self.stride, self.pad)

    def direct(self, x: Tensor) -> Tensor:
        """Return the ReLU of the convolution, computed by oneDNN at once."""
        return _direct(x, self.weight, self.bias, self.stride, self.pad, "relu")

    def gradient(self, grad: Tensor, height: int, width: int) -> Tensor:
        """Return the gradient (N, I, height, width) for one that came to the convolution."""
        if self.phases is not None:
            halves = _direct(grad, self.phases, None, 1, stem.PHASE_PAD, "none")
            return stem.interleaved(halves, height, width)
        assert self.flipped is not None
        pad = self.weight.shape[2] - 1 - self.pad
        return _direct(grad, self.flipped, None, 1, pad, "none")


def _direct(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, pad: int, then: str
) -> Tensor:
    pads, strides = [pad, pad], [stride, stride]
    return onednn()(x, weight, bias, pads, strides, [1, 1], 1, then, [], "")


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: FrozenConvolution, masked: bool) -> Tensor:
        out = layer.direct(x)
        ctx.layer, ctx.size = layer, x.shape[2:]
        if not masked:
            ctx.save_for_backward(out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (grad,) = grads
        for out in ctx.saved_tensors:
            grad = torch.ops.aten.threshold_backward(grad, out, 0)
        return ctx.layer.gradient(grad, *ctx.size), None, None


class _Pool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: int, stride: int, pad: int, masks: bool) -> Tensor:
        ctx.window = ([kernel, kernel], [stride, stride], [pad, pad], [1, 1], True)
        out, index = torch.ops.aten.max_pool2d_with_indices(x, *ctx.window)
        # On a CPU nothing but the shape of x is asked for, and x is the largest of all there is.
        ctx.shape = x.shape if x.device.type == "cpu" else None
        ctx.save_for_backward(index, out if masks else None, None if ctx.shape else x)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None, None]:
        (grad,) = grads
        index, out, x = ctx.saved_tensors
        if out is not None:
            grad = torch.ops.aten.threshold_backward(grad, out, 0)
        pooled_back = torch.ops.aten.max_pool2d_with_indices_backward
        if x is None:
            back = torch.empty(ctx.shape, dtype=grad.dtype, memory_format=torch.channels_last)
            pooled_back.grad_input(grad, back, *ctx.window, index, grad_input=back)
        else:
            back = pooled_back(grad, x, *ctx.window, index)
        return back, None, None, None, None


def max_pool(x: Tensor, kernel: int, stride: int, pad: int, masks: bool = False) -> Tensor:
    """Max-pool x (N, C, H, W) as Caffe does, rounding up.

    masks: x is the output of a ReLU, and the gradient is that of the pool and of the ReLU before
    it. A maximum is 0 only where all that it was taken of were, so the mask is applied to the few
    values behind the pool, and the convolution is spared it (`masked`).
    """
    out = _Pool.apply(x, kernel, stride, pad, masks)
    assert isinstance(out, Tensor)
    return out
