"""Padding odd widths and heights to even ones, which subsampled chroma needs."""

from __future__ import annotations

import numpy as np

from dreamflow.media.sample_format import SampleFormat


def pad_to_even(picture: np.ndarray) -> np.ndarray:
    """Return a picture (H, W, C) with its last row and column repeated where H or W is odd."""
    height, width = picture.shape[:2]
    return np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")


def round_up_to_even(width: int, height: int) -> tuple[int, int]:
    """Return the (width, height) that `pad_to_even` gives."""
    return width + width % 2, height + height % 2


def pad_samples_to_even(
    samples: np.ndarray, sample_format: SampleFormat, width: int, height: int
) -> np.ndarray:
    """Return the samples of a frame, (bytes,) uint8, with its last row and column repeated.

    Args:
        samples: All samples, plane after plane.
        sample_format: A planar format, or one of pixels with all their components.
        width: Of the frame, in pixels.
        height: Of the frame, in pixels.
    """
    codes = samples.view(np.uint16 if sample_format.sample_bytes == 2 else np.uint8)
    if not sample_format.layout.is_planar and len(sample_format.layout.components) > 1:
        return pad_to_even(codes.reshape(height, width, -1)).reshape(-1).view(np.uint8)
    even_sizes = sample_format.plane_sizes(*round_up_to_even(width, height))
    planes: list[np.ndarray] = []
    start = 0
    for (wide, high), (even_wide, even_high) in zip(
        sample_format.plane_sizes(width, height), even_sizes, strict=True
    ):
        plane = codes[start : start + wide * high].reshape(high, wide)
        start += wide * high
        planes.append(np.pad(plane, ((0, even_high - high), (0, even_wide - wide)), mode="edge"))
    return np.concatenate([plane.reshape(-1) for plane in planes]).view(np.uint8)
