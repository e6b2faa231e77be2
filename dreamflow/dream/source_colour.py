"""A dream shown in the colours of its source: only its brightness changes."""

from __future__ import annotations

import torch
from torch import Tensor

MIN_COLOUR_RANGE = 1e-6
"""Floor of a colour difference that is divided by."""
BT709_LUMA_WEIGHTS = (0.2126, 0.7152, 0.0722)
"""Luma weights of R', G' and B' (ITU-R BT.709)."""


def compute_luma(image: Tensor) -> Tensor:
    """Return the BT.709 luma (1, 1, H, W) of an image (1, 3, H, W) in R'G'B'."""
    red, green, blue = (
        weight * channel
        for weight, channel in zip(BT709_LUMA_WEIGHTS, torch.split(image, 1, 1), strict=True)
    )
    return red + green + blue


def apply_source_colour(image: Tensor, source: Tensor) -> Tensor:
    """Return the luma of one image with the colour differences of another.

    Where a pixel is too dark or too bright for the source's colour differences they are scaled
    down: the hue stays, and nothing is clipped.

    Args:
        image: (1, 3, H, W) in [0, 1].
        source: (1, 3, H, W) in [0, 1].
    """
    luma = compute_luma(image).clamp(0.0, 1.0)
    colour = source - compute_luma(source)
    highest, lowest = colour.amax(1, keepdim=True), -colour.amin(1, keepdim=True)
    scale = torch.minimum(
        (1 - luma) / highest.clamp_min(MIN_COLOUR_RANGE), luma / lowest.clamp_min(MIN_COLOUR_RANGE)
    )
    return (luma + colour * scale.clamp_max(1.0)).clamp_(0.0, 1.0)
