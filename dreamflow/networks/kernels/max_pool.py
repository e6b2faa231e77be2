"""Max pools and their gradient."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamflow.networks.kernels.selection import (
    KernelChoice,
    PoolWindow,
    pool_gradient_without_input,
    pool_gradient_without_input_works,
)


class MaxPool:
    """A max pool as Caffe does it, rounding the number of positions up."""

    def __init__(self, kernel: int, stride: int, pad: int, kernels: KernelChoice = "auto") -> None:
        """Prepare a pool.

        Args:
            kernel: Side of the window, in positions.
            stride: Of both axes, in positions.
            pad: Positions on each side of both axes.
            kernels: Which operators to run on.
        """
        self.window: PoolWindow = ([kernel] * 2, [stride] * 2, [pad] * 2, [1, 1], True)
        self.kernels: KernelChoice = kernels

    def compute(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the maxima (N, C, h, w) of x (N, C, H, W), and their index in each map."""
        return torch.ops.aten.max_pool2d_with_indices(x, *self.window)

    def needs_input(self, device: torch.device) -> bool:
        """Return whether the gradient needs x itself: the largest tensor of a pass."""
        works = self.kernels == "auto" and device.type == "cpu"
        return not (works and pool_gradient_without_input_works())

    def compute_input_gradient(
        self, grad: Tensor, index: Tensor, shape: torch.Size, x: Tensor | None
    ) -> Tensor:
        """Return the gradient of x (N, C, H, W) from that of the maxima (N, C, h, w).

        Args:
            grad: Of the maxima.
            index: As `compute` returned it.
            shape: Of x.
            x: None where `needs_input` says so.
        """
        if x is None:
            return pool_gradient_without_input(grad, shape, self.window, index)
        return torch.ops.aten.max_pool2d_with_indices_backward(grad, x, *self.window, index)
