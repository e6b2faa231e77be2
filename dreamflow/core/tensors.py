"""Conversion between pictures or arrays in numpy and images in PyTorch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dreamflow.core.errors import SettingsError


def picture_to_tensor(picture: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """Return a picture as an image.

    Args:
        picture: uint8 (H, W, 3) RGB.
        device: Device of the image.

    Returns:
        (1, 3, H, W) float32 RGB in [0, 1].

    Raises:
        SettingsError: The array has another type or shape.
    """
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        allowed = "uint8 (height, width, 3) RGB, 0 to 255"
        raise SettingsError(
            f"a picture is {allowed}; this one is {picture.dtype} {picture.shape}", allowed=allowed
        )
    pixels = torch.as_tensor(np.ascontiguousarray(picture)).to(device)
    return pixels.permute(2, 0, 1)[None].float().div_(255)


def tensor_to_picture(image: Tensor) -> np.ndarray:
    """Return an image (1, 3, H, W) in [0, 1] as a uint8 (H, W, 3) RGB picture, rounded."""
    levels = image[0].detach().clamp(0, 1).mul(255).round().to(torch.uint8)
    return np.ascontiguousarray(levels.permute(1, 2, 0).cpu().numpy())


def tensor_to_array(image: Tensor) -> np.ndarray:
    """Return an image (1, C, H, W) as a float32 array (H, W, C)."""
    return np.ascontiguousarray(image[0].detach().permute(1, 2, 0).float().cpu().numpy())


def array_to_tensor(array: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """Return a float32 array (H, W) or (H, W, C) as an image (1, C, H, W)."""
    pixels = torch.as_tensor(np.ascontiguousarray(array)).to(device)
    return (pixels[..., None] if pixels.dim() == 2 else pixels).permute(2, 0, 1)[None]


def in_pixel_order(tensor: Tensor) -> Tensor:
    """Return a tensor (1, C, H, W) that lies in memory pixel by pixel, as (H, W, C).

    How it lies decides in which order it is summed, and so how the sum rounds.
    """
    _, channels, height, width = tensor.shape
    strides = (channels * height * width, 1, channels * width, channels)
    ordered = tensor.contiguous(memory_format=torch.channels_last)
    # Strides of sides of 1 are free, and operators choose by them.
    return ordered.as_strided(tensor.shape, strides)
