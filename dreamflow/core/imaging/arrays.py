"""CPU tensors and the arrays that OpenCV works on: two views of the same memory."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

Backend = Literal["auto", "torch"]
"""What computes an image operation: "auto" is OpenCV on a CPU and PyTorch elsewhere."""


def uses_opencv(image: Tensor, backend: Backend = "auto") -> bool:
    """Return whether OpenCV is to work on a tensor's memory; it can on a CPU only."""
    return backend == "auto" and image.device.type == "cpu"


def precise_dtype(device: torch.device) -> torch.dtype:
    """Return the widest float of a device: float64, and float32 on MPS, which has no other."""
    return torch.float32 if device.type == "mps" else torch.float64


def as_array(image: Tensor) -> np.ndarray:
    """Return a CPU tensor (1, C, H, W) as an array (H, W, C), or (H, W) for one channel.

    No copy is made where the tensor is in channels_last order, as those of `as_tensor` are.
    """
    array = np.ascontiguousarray(image.detach()[0].permute(1, 2, 0).numpy())
    return array[..., 0] if array.shape[2] == 1 else array


def as_tensor(array: np.ndarray) -> Tensor:
    """Return an array (H, W) or (H, W, C) as a CPU tensor (1, C, H, W) on the same memory."""
    pixels = torch.as_tensor(array)
    return (pixels[..., None] if pixels.dim() == 2 else pixels).permute(2, 0, 1)[None]


def image_size(image: Tensor) -> tuple[int, int]:
    """Return the (height, width) of an image (1, C, H, W) in pixels."""
    return int(image.shape[2]), int(image.shape[3])
