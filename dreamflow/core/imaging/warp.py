"""Images sampled at given positions: along optical flow, or as a camera sees them."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from dreamflow.core.imaging.arrays import Backend, as_array, as_tensor, uses_opencv
from dreamflow.core.imaging.filters import mirrored_index
from dreamflow.core.imaging.positions import inside_frame
from dreamflow.core.opencv import cv2

Kernel = Literal["lanczos", "linear"]
Border = Literal["repeat", "mirror", "wrap"]
"""What lies beyond the edges: the edge's own pixels, a mirror image, or the opposite side."""

LANCZOS_LOBES = 4
"""The kernel is sinc(d) sinc(d / 4), over 8 samples along each axis; normalised to a sum of 1."""

_KERNELS = {"lanczos": cv2.INTER_LANCZOS4, "linear": cv2.INTER_LINEAR}
_BORDERS = {
    "repeat": cv2.BORDER_REPLICATE,
    "mirror": cv2.BORDER_REFLECT_101,
    "wrap": cv2.BORDER_WRAP,
}


def pixel_positions(height: int, width: int, device: torch.device) -> Tensor:
    """Return each pixel's own position: float32 (1, 2, H, W), x then y, in pixels."""
    y = torch.arange(height, dtype=torch.float32, device=device).view(1, 1, -1, 1)
    x = torch.arange(width, dtype=torch.float32, device=device).view(1, 1, 1, -1)
    return torch.cat([x.expand(1, 1, height, width), y.expand(1, 1, height, width)], 1)


def is_inside(flow: Tensor) -> Tensor:
    """Return 1 where a flow (1, 2, H, W) points into the frame and 0 elsewhere: (1, 1, H, W)."""
    height, width = flow.shape[2:]
    x, y = torch.split(flow + pixel_positions(height, width, flow.device), 1, 1)
    return inside_frame(x, y).to(flow.dtype)


def warp(
    image: Tensor, flow: Tensor, kernel: Kernel = "lanczos", backend: Backend = "auto"
) -> Tensor:
    """Warp the previous frame's image into the current frame.

    Args:
        image: float32 (1, C, H, W), on the previous frame.
        flow: float32 (1, 2, H, W), backward flow in pixels, (dx, dy), on the current frame.
        kernel: "lanczos" over 8x8 samples, which leaves nine tenths of a dream's sharpness (the
            variance of its Laplacian) where a bicubic kernel leaves eight; or "linear".
        backend: "torch" keeps OpenCV out of it on a CPU too.

    Returns:
        float32 (1, C, H, W). Samples outside the frame repeat its edge.
    """
    height, width = flow.shape[2:]
    return sample(
        image, flow + pixel_positions(height, width, flow.device), kernel, backend=backend
    )


def sample(
    image: Tensor,
    positions: Tensor,
    kernel: Kernel = "lanczos",
    border: Border = "repeat",
    backend: Backend = "auto",
) -> Tensor:
    """Sample an image at positions between its pixels.

    Args:
        image: float32 (1, C, H, W).
        positions: float32 (1, 2, h, w), x then y, in pixels of the image.
        kernel: "lanczos" or "linear".
        border: what lies beyond the image's edges.
        backend: "torch" keeps OpenCV out of it on a CPU too. OpenCV rounds positions to 1/32 of a
            pixel.

    Returns:
        float32 (1, C, h, w).
    """
    if uses_opencv(image, backend):
        x, y = (np.ascontiguousarray(part) for part in positions[0].numpy())
        return as_tensor(
            cv2.remap(as_array(image), x, y, _KERNELS[kernel], borderMode=_BORDERS[border])
        )
    return _gather(image, positions, kernel, border)


def _gather(image: Tensor, positions: Tensor, kernel: Kernel, border: Border) -> Tensor:
    channels, height, width = image.shape[1:]
    out_height, out_width = positions.shape[2:]
    pixels = image.reshape(channels, height * width)
    (columns, across), (rows, down) = (
        _taps(positions[0, axis].reshape(-1), side, kernel, border)
        for axis, side in ((0, width), (1, height))
    )
    result = image.new_zeros(channels, out_height * out_width)
    for row, row_weight in zip(rows, down, strict=True):
        line = torch.zeros_like(result)
        for column, weight in zip(columns, across, strict=True):
            line = line + pixels[:, row * width + column] * weight
        result = result + line * row_weight
    return result.view(1, channels, out_height, out_width)


def _taps(
    positions: Tensor, side: int, kernel: Kernel, border: Border
) -> tuple[list[Tensor], list[Tensor]]:
    """Return the pixels that each position is made of along one axis, and their weights."""
    base = positions.floor()
    fraction = positions - base
    offsets = range(1 - LANCZOS_LOBES, LANCZOS_LOBES + 1) if kernel == "lanczos" else range(2)
    index = [_inside(base.long() + offset, side, border) for offset in offsets]
    if kernel == "linear":
        return index, [1 - fraction, fraction]
    weights = [_lanczos(fraction - offset) for offset in offsets]
    total = torch.stack(weights).sum(0)
    return index, [weight / total for weight in weights]


def _lanczos(distance: Tensor) -> Tensor:
    window = torch.sinc(distance / LANCZOS_LOBES)
    return torch.sinc(distance) * window * (distance.abs() < LANCZOS_LOBES)


def _inside(index: Tensor, side: int, border: Border) -> Tensor:
    if border == "repeat":
        return index.clamp(0, side - 1)
    return index.remainder(side) if border == "wrap" else mirrored_index(index, side)
