"""Convolutions with frozen weights, each followed by its ReLU.

Only the picture gets a gradient, and with the weights frozen that is a convolution as well: of
stride 1, with the kernel flipped and its channels exchanged. On a CPU both are given to oneDNN as
they are. PyTorch itself would hand a 1x1 convolution on one thread to a matrix product of half the
speed, and take the ReLU as a pass of its own.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from dreamflow.networks.kernels import stem


def find_onednn_convolution() -> Any:
    """Return oneDNN's convolution with a fused ReLU, or None where this PyTorch has none."""
    if not torch.backends.mkldnn.is_available():
        return None
    return getattr(torch.ops.mkldnn, "_convolution_pointwise", None)


@lru_cache(maxsize=1)
def onednn_dtypes() -> frozenset[torch.dtype]:
    """Return what oneDNN computes in on this processor, of what a network may compute in."""
    if not torch.backends.mkldnn.is_available():
        return frozenset()
    half = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return frozenset({torch.float32, torch.bfloat16} if half else {torch.float32})


class FrozenConvolution:
    """One convolution and its ReLU."""

    def __init__(self, weight: Tensor, bias: Tensor, stride: int, pad: int) -> None:
        """weight: (O, I, k, k). bias: (O,). stride, pad: of both sides, in positions."""
        self.weight = weight.contiguous(memory_format=torch.channels_last)
        self.bias = bias
        self.stride = stride
        self.pad = pad
        kernel = weight.shape[2]
        self.is_stem = stem.is_stem_shape(kernel, stride, pad) and weight.shape[1] == 3
        self.has_onednn_gradient = self.is_stem or (stride == 1 and pad < kernel)
        self._gradient_kernel: Tensor | None = None
        self._forward_convolution = _OneDnnConvolution(stride, pad)
        self._gradient_convolution = _OneDnnConvolution(
            1, stem.PHASE_PAD if self.is_stem else kernel - 1 - pad
        )

    def to(self, device: torch.device, dtype: torch.dtype) -> FrozenConvolution:
        """Return the same convolution on a device, in a dtype."""
        weight, bias = self.weight.to(device, dtype), self.bias.to(device, dtype)
        return FrozenConvolution(weight, bias, self.stride, self.pad)

    def __call__(self, x: Tensor, grad_masked: bool = False) -> Tensor:
        """Return the ReLU of the convolution of x (N, I, H, W).

        masked: whether the gradient that will come is 0 already where the ReLU was.
        """
        direct = (
            find_onednn_convolution()
            if x.device.type == "cpu" and x.dtype in onednn_dtypes()
            else None
        )
        if direct is None or not self.has_onednn_gradient:
            return F.relu_(self.convolve(x))
        out = _OneDnnConvolutionReLU.apply(x, self, grad_masked)
        assert isinstance(out, Tensor)
        return out

    def convolve(self, x: Tensor) -> Tensor:
        """Return the convolution before the ReLU, with PyTorch's own operations."""
        return F.conv2d(x, self.weight, self.bias, self.stride, self.pad)

    def convolve_relu_onednn(self, x: Tensor) -> Tensor:
        """Return the ReLU of the convolution, computed by oneDNN at once."""
        return self._forward_convolution(x, self.weight, self.bias, "relu")

    def compute_input_gradient(self, grad: Tensor, height: int, width: int) -> Tensor:
        """Return the gradient (N, I, height, width) for one that came to the convolution."""
        if self._gradient_kernel is None:
            turn = stem.make_phase_kernel if self.is_stem else make_gradient_kernel
            self._gradient_kernel = turn(self.weight)
        back = self._gradient_convolution(grad, self._gradient_kernel, None, "none")
        return stem.interleave_phases(back, height, width) if self.is_stem else back


def make_gradient_kernel(weight: Tensor) -> Tensor:
    """Return the kernel (I, O, k, k) of the gradient of a convolution of stride 1."""
    return weight.flip(2, 3).transpose(0, 1).contiguous(memory_format=torch.channels_last)


class _OneDnnConvolution:
    """oneDNN's convolution with a weight that is laid out as it wants it for the size at hand.

    It would lay it out anew at every call. What it wants depends on the size, and a weight laid out
    for another was seen to cost ten times what it saves; a dream stays at a size for some passes.
    """

    def __init__(self, stride: int, pad: int) -> None:
        self.strides, self.pads = [stride, stride], [pad, pad]
        self.input_shape: torch.Size | None = None
        self.reordered_weight: Tensor | None = None

    def __call__(self, x: Tensor, weight: Tensor, bias: Tensor | None, activation: str) -> Tensor:
        """Return the convolution of x (N, I, H, W). then: what follows, "relu" or "none"."""
        if self.input_shape != x.shape:
            lay_out = torch.ops.mkldnn._reorder_convolution_weight
            self.reordered_weight = lay_out(
                weight, self.pads, self.strides, [1, 1], 1, list(x.shape)
            )
            self.input_shape = x.shape
        return find_onednn_convolution()(
            x, self.reordered_weight, bias, self.pads, self.strides, [1, 1], 1, activation, [], ""
        )


class _OneDnnConvolutionReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: FrozenConvolution, grad_masked: bool) -> Tensor:
        out = layer.convolve_relu_onednn(x)
        ctx.layer, ctx.size = layer, x.shape[2:]
        if not grad_masked:
            ctx.save_for_backward(out)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (grad,) = grads
        for out in ctx.saved_tensors:
            grad = torch.ops.aten.threshold_backward(grad, out, 0)
        return ctx.layer.compute_input_gradient(grad, *ctx.size), None, None


class _MaxPool(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, kernel: int, stride: int, pad: int, mask_relu_grad: bool
    ) -> Tensor:
        ctx.window = ([kernel, kernel], [stride, stride], [pad, pad], [1, 1], True)
        out, index = torch.ops.aten.max_pool2d_with_indices(x, *ctx.window)
        # On a CPU nothing but the shape of x is asked for, and x is the largest of all there is.
        ctx.shape = x.shape if x.device.type == "cpu" else None
        ctx.save_for_backward(index, out if mask_relu_grad else None, None if ctx.shape else x)
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


def max_pool(x: Tensor, kernel: int, stride: int, pad: int, mask_relu_grad: bool = False) -> Tensor:
    """Max-pool x (N, C, H, W) as Caffe does, rounding up.

    masks: x is the output of a ReLU, and the gradient is that of the pool and of the ReLU before
    it. A maximum is 0 only where all that it was taken of were, so the mask is applied to the few
    values behind the pool, and the convolution is spared it (`masked`).
    """
    out = _MaxPool.apply(x, kernel, stride, pad, mask_relu_grad)
    assert isinstance(out, Tensor)
    return out
