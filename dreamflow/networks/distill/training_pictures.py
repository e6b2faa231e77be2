"""The pictures that a student is trained on: crops of photographs, and generated textures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor

from dreamflow.core.opencv import cv2

TEXTURE_SHARE = 0.08
"""Share of the pictures that are generated textures."""
MAX_CROP_ZOOM_OCTAVES = 1.0
"""A crop covers crop * 2 ** uniform(-this, this) pixels of the photograph a side."""


class TrainingPictures:
    """An endless sequence of pictures, each a pure function of (seed, number)."""

    def __init__(self, photographs: Sequence[np.ndarray], crop: int, seed: int) -> None:
        """Prepare the sequence.

        Args:
            photographs: uint8 (H, W, 3) RGB each.
            crop: Side of a picture, in pixels.
            seed: Of all random choices.
        """
        self.photographs = list(photographs)
        self.crop = crop
        self.seed = seed

    def __call__(self, number: int) -> Tensor:
        """Return the picture of a number, float32 (3, crop, crop), RGB in [0, 1]."""
        rng = np.random.default_rng((self.seed, number))
        is_texture = rng.random() < TEXTURE_SHARE
        picture = self._make_texture(rng) if is_texture else self._crop_photograph(rng)
        return torch.as_tensor(jitter_colours(picture, rng).astype(np.float32)).permute(2, 0, 1)

    def stack(self, first: int, count: int) -> Tensor:
        """Return `count` pictures from number `first` on, (count, 3, crop, crop)."""
        return torch.stack([self(number) for number in range(first, first + count)])

    def _crop_photograph(self, rng: np.random.Generator) -> np.ndarray:
        photograph = self.photographs[rng.integers(len(self.photographs))]
        height, width = photograph.shape[:2]
        zoom = 2 ** rng.uniform(-MAX_CROP_ZOOM_OCTAVES, MAX_CROP_ZOOM_OCTAVES)
        side = int(min(height, width, self.crop * zoom))
        top = int(cast(int, rng.integers(height - side + 1)))
        left = int(cast(int, rng.integers(width - side + 1)))
        part = self._resize(photograph[top : top + side, left : left + side])
        if rng.random() < 0.5:
            part = part[:, ::-1]
        return part.astype(np.float32) / 255

    def _make_texture(self, rng: np.random.Generator) -> np.ndarray:
        """Return noise of five scales, its colours mixed at random, float32 in [0, 1]."""
        total = np.zeros((self.crop, self.crop, 3), np.float32)
        for power in range(2, 7):
            cells = rng.standard_normal((2**power, 2**power, 3)).astype(np.float32)
            levels = np.clip(cells * 40 + 128, 0, 255).astype(np.uint8)
            total += self._resize(levels) * rng.uniform(0, 1) / 2 ** (power / 2)
        mixed = total @ rng.uniform(-0.3, 1, (3, 3)).astype(np.float32)
        low, high = mixed.min(), mixed.max()
        return (mixed - low) / max(float(high - low), 1e-6)

    def _resize(self, square: np.ndarray) -> np.ndarray:
        """Return a square uint8 picture at the side of a crop: area-averaged down, bicubic up."""
        method = cv2.INTER_AREA if len(square) > self.crop else cv2.INTER_CUBIC
        size = (self.crop, self.crop)
        return cv2.resize(np.ascontiguousarray(square), size, interpolation=method)


def jitter_colours(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a picture (H, W, 3) in [0, 1], its saturation, contrast and brightness varied."""
    grey = picture.mean(axis=2, keepdims=True)
    picture = grey + (picture - grey) * rng.uniform(0.6, 1.4)
    picture = 0.5 + (picture - 0.5) * rng.uniform(0.7, 1.2) + rng.uniform(-0.1, 0.1)
    return np.clip(picture, 0, 1)
