"""Positions in a frame; this loads no PyTorch, which shots and flow are found without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, overload

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def pixel_grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of a frame's pixels: float32 x (1, W) and y (H, 1), to broadcast."""
    return np.arange(width, dtype=np.float32)[None], np.arange(height, dtype=np.float32)[:, None]


@overload
def inside_frame(x: Tensor, y: Tensor) -> Tensor: ...
@overload
def inside_frame(x: np.ndarray, y: np.ndarray) -> np.ndarray: ...
def inside_frame(x: Any, y: Any) -> Any:
    """Return which positions x, y, each (..., H, W) in pixels of the frame, lie within it: bool."""
    height, width = x.shape[-2:]
    # Pixels are areas: the frame ends half a pixel beyond the centres of its outermost ones.
    return (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
