"""Blurs, pyramid steps and resizing of images, with OpenCV's kernels and borders on any device."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dreamflow.core.imaging.arrays import Backend, as_array, as_tensor, uses_opencv
from dreamflow.core.opencv import cv2

PYRAMID_KERNEL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
"""Burt and Adelson 1983, with a = 3/8; the kernel of OpenCV's `pyrDown`."""
SIGMAS_IN_KERNEL = 4.0
"""Standard deviations that OpenCV's Gaussian kernel reaches to each side, for float images."""


def pyramid_down(image: Tensor, backend: Backend = "auto") -> Tensor:
    """Return a float32 (1, C, H, W) image at half its size, rounded up; the border is mirrored."""
    if uses_opencv(image, backend):
        return as_tensor(cv2.pyrDown(as_array(image)))
    kernel = image.new_tensor(PYRAMID_KERNEL)
    return _separable(image, kernel, kernel, stride=2)


def pyramid_up(image: Tensor, size: tuple[int, int], backend: Backend = "auto") -> Tensor:
    """Return a float32 (1, C, h, w) image at (height, width), each 2h or 2h - 1, 2w or 2w - 1."""
    if uses_opencv(image, backend):
        return as_tensor(cv2.pyrUp(as_array(image), dstsize=(size[1], size[0])))
    for axis, side in ((2, size[0]), (3, size[1])):
        image = _doubled(image, axis).narrow(axis, 0, side)
    return image


def _doubled(image: Tensor, axis: int) -> Tensor:
    """Return an image of twice the size along an axis: mirrored before it, repeated behind it."""
    length = image.shape[axis]
    before = image.narrow(axis, min(1, length - 1), 1)
    behind = image.narrow(axis, length - 1, 1)
    padded = torch.cat([before, image, behind], axis)
    left, here, right = (padded.narrow(axis, start, length) for start in (0, 1, 2))
    even, odd = (left + 6 * here + right) / 8, (here + right) / 2
    shape = list(image.shape)
    shape[axis] *= 2
    return torch.stack([even, odd], axis + 1).reshape(shape)


def gaussian_blur(image: Tensor, sigma: float, backend: Backend = "auto") -> Tensor:
    """Return a blur of a float32 (1, C, H, W) image; sigma in pixels; the border is mirrored."""
    if uses_opencv(image, backend):
        return as_tensor(cv2.GaussianBlur(as_array(image), (0, 0), sigma))
    reach = (round(sigma * SIGMAS_IN_KERNEL * 2 + 1) | 1) // 2
    offsets = torch.arange(-reach, reach + 1, dtype=image.dtype, device=image.device)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = kernel / kernel.sum()
    return _separable(image, kernel, kernel)


def _separable(image: Tensor, down: Tensor, across: Tensor, stride: int = 1) -> Tensor:
    planes = image.transpose(0, 1)
    planes = _mirrored(planes, down.numel() // 2, 2)
    planes = F.conv2d(planes, down.view(1, 1, -1, 1), stride=(stride, 1))
    planes = _mirrored(planes, across.numel() // 2, 3)
    planes = F.conv2d(planes, across.view(1, 1, 1, -1), stride=(1, stride))
    return planes.transpose(0, 1)


def _mirrored(image: Tensor, margin: int, axis: int) -> Tensor:
    """Return an image with a mirrored margin along an axis, its edge pixels not repeated."""
    index = mirrored_index(torch.arange(-margin, image.shape[axis] + margin), image.shape[axis])
    return image.index_select(axis, index.to(image.device))


def mirrored_index(index: Tensor, length: int) -> Tensor:
    """Return positions beyond the ends of an axis mirrored back (OpenCV's BORDER_REFLECT_101)."""
    if length == 1:
        return torch.zeros_like(index)
    period = 2 * (length - 1)
    index = index.remainder(period)
    return torch.minimum(index, period - index)


def resize_area(image: Tensor, size: tuple[int, int], backend: Backend = "auto") -> Tensor:
    """Return a float32 (1, C, H, W) image made smaller: each pixel the mean of the area it covers.

    size: (height, width), neither larger than the image's.
    """
    if uses_opencv(image, backend):
        return as_tensor(cv2.resize(as_array(image), size[::-1], interpolation=cv2.INTER_AREA))
    rows, columns = (
        torch.as_tensor(_area_weights(old, new)).to(image.device)
        for old, new in zip(image.shape[2:], size, strict=True)
    )
    return torch.einsum("nchw,ih,jw->ncij", image, rows, columns)


@lru_cache(maxsize=16)
def _area_weights(length: int, count: int) -> np.ndarray:
    """Return which share of each cell every pixel has: float32 (count, length), rows sum to 1."""
    edges = np.linspace(0, length, count + 1)
    starts = np.arange(length)
    low = np.maximum(edges[:-1, None], starts)
    high = np.minimum(edges[1:, None], starts + 1)
    return (np.maximum(0, high - low) * count / length).astype(np.float32)


def resize_linear(image: Tensor, size: tuple[int, int], backend: Backend = "auto") -> Tensor:
    """Return a float32 (1, C, H, W) image at (height, width), bilinear, not antialiased."""
    if tuple(image.shape[2:]) == tuple(size):
        return image
    if uses_opencv(image, backend):
        return as_tensor(cv2.resize(as_array(image), size[::-1], interpolation=cv2.INTER_LINEAR))
    return F.interpolate(image, size, mode="bilinear", align_corners=False)


def grid_size(height: int, width: int, cell: float) -> tuple[int, int]:
    """Return the (rows, columns), 2 at least, of square cells of a side in pixels in a frame."""
    return max(2, round(height / cell)), max(2, round(width / cell))
