"""Masks of one channel on images of several; on a CPU without PyTorch's slow broadcast."""

from __future__ import annotations

import torch
from torch import Tensor

from dreamflow.core.imaging.arrays import Backend, as_array, as_tensor, uses_opencv
from dreamflow.core.opencv import cv2


def apply_mask(image: Tensor, mask: Tensor) -> Tensor:
    """Return an image (1, C, H, W) times a float32 mask (1, 1, H, W)."""
    return image * repeat_channels(mask, image)


def mix_by_mask(image: Tensor, other: Tensor, mask: Tensor) -> Tensor:
    """Return an image (1, C, H, W) where a float32 mask (1, 1, H, W) is 0, another where it is 1.

    In between it is interpolated.
    """
    return torch.lerp(image, other, repeat_channels(mask, image))


def repeat_channels(mask: Tensor, like: Tensor, backend: Backend = "auto") -> Tensor:
    """Return a float32 mask (1, 1, H, W) with as many channels as an image has: (1, C, H, W).

    On a CPU it is laid out as the image is, pixel by pixel: there PyTorch takes four times as long
    to multiply an image by a single channel, and twelve to interpolate.
    """
    channels = like.shape[1]
    if uses_opencv(mask, backend):
        return as_tensor(cv2.merge([as_array(mask)] * channels))
    return mask.expand(-1, channels, -1, -1)
