"""What a student is trained on: photographs, textures made by rule, and dreams."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dreamflow.errors import MediaError
from dreamflow.media.readers import fitted
from dreamflow.media.stills import is_picture, read_picture

LONGEST_PX = 320
TEXTURE_SHARE = 0.08
"""Share of the pictures of a batch that are textures made by rule."""

Activations = Callable[[Tensor], dict[str, Tensor]]


def load_photographs(folder: Path) -> list[np.ndarray]:
    """Return all pictures of a folder, uint8 (H, W, 3) RGB, at most 320 pixels a side.

    In the order of their names, so that a seed means the same everywhere. Raises MediaError.
    """
    paths = sorted(path for path in folder.iterdir() if is_picture(path)) if folder.is_dir() else []
    if not paths:
        raise MediaError(f"{folder} is no folder with photographs")
    photographs: list[np.ndarray] = []
    for path in paths:
        picture = read_picture(path)
        scale = min(1.0, LONGEST_PX / max(picture.shape[:2]))
        height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
        photographs.append(fitted(picture, width, height))
    return photographs


class Batches:
    """Batches of images, each a pure function of (seed, step): a resumed run sees the same."""

    def __init__(self, photographs: list[np.ndarray], size: int, crop: int, seed: int) -> None:
        self.photographs = photographs
        self.size = size
        self.crop = crop
        self.seed = seed

    def __call__(self, step: int) -> tuple[Tensor, np.random.Generator]:
        """Return float32 (N, 3, crop, crop) in [0, 1], and the step's generator, to go on with."""
        made = np.random.default_rng((self.seed, step))
        images = np.empty((self.size, self.crop, self.crop, 3), np.float32)
        for number in range(self.size):
            texture = made.random() < TEXTURE_SHARE
            picture = self._texture(made) if texture else self._photograph(made)
            images[number] = recoloured(picture, made)
        return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), made

    def _photograph(self, made: np.random.Generator) -> np.ndarray:
        photograph = self.photographs[made.integers(len(self.photographs))]
        height, width = photograph.shape[:2]
        # From half to twice the size at which the crop is seen.
        side = int(min(height, width, self.crop * 2 ** made.uniform(-1, 1)))
        top = made.integers(height - side + 1)
        left = made.integers(width - side + 1)
        part = fitted(photograph[top : top + side, left : left + side], self.crop, self.crop)
        if made.random() < 0.5:
            part = part[:, ::-1]
        return part.astype(np.float32) / 255

    def _texture(self, made: np.random.Generator) -> np.ndarray:
        """Return noise of several scales, its colours mixed at random."""
        total = np.zeros((self.crop, self.crop, 3), np.float32)
        for power in range(2, 7):
            cells = made.standard_normal((2**power, 2**power, 3)).astype(np.float32)
            levels = np.clip(cells * 40 + 128, 0, 255).astype(np.uint8)
            total += fitted(levels, self.crop, self.crop) * made.uniform(0, 1) / 2 ** (power / 2)
        mixed = total @ made.uniform(-0.3, 1, (3, 3)).astype(np.float32)
        low, high = mixed.min(), mixed.max()
        return (mixed - low) / max(float(high - low), 1e-6)


def recoloured(picture: np.ndarray, made: np.random.Generator) -> np.ndarray:
    """Return a picture in [0, 1] with brightness, contrast and saturation changed a little."""
    grey = picture.mean(axis=2, keepdims=True)
    picture = grey + (picture - grey) * made.uniform(0.6, 1.4)
    picture = 0.5 + (picture - 0.5) * made.uniform(0.7, 1.2) + made.uniform(-0.1, 0.1)
    return np.clip(picture, 0, 1)


def climbed(
    images: Tensor, activations: Activations, layer: str, steps: int, step: float
) -> Tensor:
    """Return images (N, 3, H, W) after some steps of ascent on a layer: each of mean size `step`.

    step: in levels of 255. This brings a batch to where dreams go, and photographs do not.
    """
    for _ in range(steps):
        images = images.detach().requires_grad_(True)
        with torch.enable_grad():
            value = activations(images)[layer].float().square().mean(dim=(1, 2, 3)).sum()
            (gradient,) = torch.autograd.grad(value, images)
        size = gradient.abs().mean(dim=(1, 2, 3), keepdim=True).clamp_min(1e-20)
        images = (images + gradient / size * (step / 255)).clamp(0, 1)
    return images.detach()


def gradient_of(activations: dict[str, Tensor], images: Tensor, layer: str, keep: bool) -> Tensor:
    """Return the direction in which images (N, 3, H, W) would dream on a layer, (N, 3 H W)."""
    value = activations[layer].float().square().mean(dim=(1, 2, 3)).sum()
    (gradient,) = torch.autograd.grad(value, images, create_graph=keep, retain_graph=True)
    return F.normalize(gradient.flatten(1), dim=1)
