"""Feature maps (N, C, H, W) as rows of channels (N H W, C), and back."""

from __future__ import annotations

import torch
from torch import Tensor


def flatten_positions(maps: Tensor) -> Tensor:
    """Return maps (N, C, H, W) as rows (N H W, C); a view where they are channels-last."""
    return maps.permute(0, 2, 3, 1).reshape(-1, maps.shape[1])


def unflatten_positions(rows: Tensor, shape: torch.Size) -> Tensor:
    """Return rows (N H W, C) as maps of a shape (N, C, H, W), channels-last; always a view."""
    count, channels, height, width = shape
    return rows.view(count, height, width, channels).permute(0, 3, 1, 2)
