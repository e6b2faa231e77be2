"""Convolutions with frozen weights, most followed by their ReLU.

Only the image gets a gradient. With frozen weights that gradient is a convolution as well: of
stride 1, with the kernel flipped and its channels exchanged. On a CPU both run on oneDNN directly,
the ReLU fused; PyTorch's own `conv2d` would hand a 1x1 convolution on one thread to a matrix
product of half the speed, and run the ReLU as a pass of its own.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from dreamflow.networks.kernels import stem
from dreamflow.networks.kernels.selection import (
    KernelChoice,
    convolution_input_gradient,
    convolve_onednn,
    describe_layout,
    reorder_convolution_weight,
    uses_onednn,
)

KEPT_SIZES = 64
"""Input sizes of which the layout of the weight is remembered."""


class FrozenConvolution:
    """One convolution, most with their ReLU, on the device and in the dtype of its weight."""

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        stride: int,
        pad: int,
        kernels: KernelChoice = "auto",
        *,
        has_relu: bool = True,
    ) -> None:
        """Prepare a convolution.

        Args:
            weight: (O, I, k, k).
            bias: (O,).
            stride: Of both axes, in positions.
            pad: Zeros on each side of both axes.
            kernels: Which operators to run on.
            has_relu: Whether a ReLU follows.
        """
        self.weight = weight.contiguous(memory_format=torch.channels_last)
        self.bias = bias
        self.stride = stride
        self.pad = pad
        self.kernels: KernelChoice = kernels
        self.has_relu = has_relu
        kernel = weight.shape[2]
        self.is_stem = stem.is_stem_shape(kernel, stride, pad) and weight.shape[1] == 3
        has_fast_gradient = self.is_stem or (stride == 1 and pad < kernel)
        self.uses_onednn = has_fast_gradient and uses_onednn(weight.device, weight.dtype, kernels)
        self._gradient_kernel: Tensor | None = None
        self._forward_convolution = _OneDnnOperator(stride, pad)
        self._gradient_convolution = _OneDnnOperator(
            1, stem.PHASE_PAD if self.is_stem else kernel - 1 - pad
        )

    def to(self, device: torch.device, dtype: torch.dtype) -> FrozenConvolution:
        """Return the same convolution on a device, in a dtype."""
        weight, bias = self.weight.to(device, dtype), self.bias.to(device, dtype)
        return FrozenConvolution(
            weight, bias, self.stride, self.pad, self.kernels, has_relu=self.has_relu
        )

    def __call__(self, x: Tensor) -> Tensor:
        """Return the same as `compute`, differentiable: an operation of PyTorch's own graphs."""
        return cast(Tensor, _DifferentiableConvolution.apply(x, self))

    def compute(self, x: Tensor) -> Tensor:
        """Return the convolution of x (N, I, H, W), and of that the ReLU where it has one.

        Returns:
            (N, O, h, w), channels-last.
        """
        if self.uses_onednn:
            activation = "relu" if self.has_relu else "none"
            return self._forward_convolution(x, self.weight, self.bias, activation)
        out = self.convolve(x)
        return F.relu_(out) if self.has_relu else out

    def convolve(self, x: Tensor) -> Tensor:
        """Return the convolution of x (N, I, H, W) before the ReLU, by public operators."""
        return F.conv2d(x, self.weight, self.bias, self.stride, self.pad)

    def compute_input_gradient(self, grad: Tensor, shape: torch.Size) -> Tensor:
        """Return the gradient of the input from that of the convolution, before the ReLU.

        Args:
            grad: (N, O, h, w).
            shape: Of the input, (N, I, H, W).
        """
        if not self.uses_onednn:
            weight = self.weight.to(grad.dtype)  # under autocast they differ
            return convolution_input_gradient(grad, weight, shape, self.stride, self.pad)
        if self._gradient_kernel is None:
            make_kernel = stem.make_phase_kernel if self.is_stem else make_gradient_kernel
            self._gradient_kernel = make_kernel(self.weight)
        back = self._gradient_convolution(grad, self._gradient_kernel, None, "none")
        return stem.interleave_phases(back, *shape[2:]) if self.is_stem else back


def make_gradient_kernel(weight: Tensor) -> Tensor:
    """Return the kernel (I, O, k, k) of the input gradient of a convolution of stride 1."""
    return weight.flip(2, 3).transpose(0, 1).contiguous(memory_format=torch.channels_last)


class _OneDnnOperator:
    """oneDNN's convolution, its weight in the layout that it wants for the size at hand.

    oneDNN would otherwise reorder the weight at every call, and a weight in another layout costs
    ten times what reordering saves. Few layouts serve all sizes, most often one: each of them is
    kept once, as long as a size that wants it is remembered.
    """

    def __init__(self, stride: int, pad: int) -> None:
        self.stride, self.pad = stride, pad
        self._reordered: OrderedDict[torch.Size, tuple[Tensor, bytes | None]] = OrderedDict()

    def __call__(
        self, x: Tensor, weight: Tensor, bias: Tensor | None, activation: Literal["relu", "none"]
    ) -> Tensor:
        shape = x.shape
        kept = self._reordered.get(shape)
        if kept is None:
            kept = self._reordered[shape] = self._reorder(weight, shape)
            if len(self._reordered) > KEPT_SIZES:
                self._reordered.popitem(last=False)
        else:
            self._reordered.move_to_end(shape)
        return convolve_onednn(x, kept[0], bias, self.stride, self.pad, activation)

    def _reorder(self, weight: Tensor, shape: torch.Size) -> tuple[Tensor, bytes | None]:
        """Return the weight in the layout for a size, and the layout, sharing what is kept."""
        reordered = reorder_convolution_weight(weight, shape, self.stride, self.pad)
        layout = describe_layout(reordered)
        if layout is not None:
            for kept, kept_layout in self._reordered.values():
                if kept_layout == layout:
                    return kept, kept_layout
        return reordered, layout


class _DifferentiableConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, layer: FrozenConvolution) -> Tensor:
        out = layer.compute(x)
        ctx.layer, ctx.shape = layer, x.shape
        if layer.has_relu:
            ctx.save_for_backward(out)
        return out

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grads: Tensor
    ) -> tuple[Tensor, None]:
        (grad,) = grads
        for out in ctx.saved_tensors:
            grad = mask_by_relu(grad, out)
        return ctx.layer.compute_input_gradient(grad, ctx.shape), None


def mask_by_relu(grad: Tensor, out: Tensor) -> Tensor:
    """Return the gradient before a ReLU from that after it and the ReLU's output."""
    return torch.ops.aten.threshold_backward(grad, out, 0)
