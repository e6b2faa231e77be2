"""What a student is shown: photographs and textures made by rule, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dreamflow.errors import MediaError
from dreamflow.media.readers import fitted
from dreamflow.media.stills import is_picture, read_picture

LONGEST_PX = 320
TEXTURE_SHARE = 0.08
"""Share of the pictures that are textures made by rule."""
POOL_BATCHES = 4
"""Pictures alive at a time, in batches."""
TAUGHT_SHARE = 0.3
"""Share of the pictures that climb as the teacher would; the others as the student would."""
STEP_LEVELS = (1.5, 5.0)
"""Smallest and largest mean change of a picture per step of ascent, in levels of 255."""


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


class Pictures:
    """An endless row of pictures, each a pure function of (seed, number)."""

    def __init__(self, photographs: list[np.ndarray], crop: int, seed: int) -> None:
        self.photographs = photographs
        self.crop = crop
        self.seed = seed

    def __call__(self, number: int) -> Tensor:
        """Return the picture of that number, float32 (3, crop, crop) in [0, 1]."""
        made = np.random.default_rng((self.seed, number))
        texture = made.random() < TEXTURE_SHARE
        picture = self._texture(made) if texture else self._photograph(made)
        return torch.from_numpy(recoloured(picture, made).astype(np.float32)).permute(2, 0, 1)

    def several(self, first: int, count: int) -> Tensor:
        """Return `count` pictures from number `first` on, (count, 3, crop, crop)."""
        return torch.stack([self(number) for number in range(first, first + count)])

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


def moved(images: Tensor, gradient: Tensor, levels: Tensor | float) -> Tensor:
    """Return images (N, 3, H, W) one step up a gradient: each changed by so many levels of 255."""
    size = gradient.abs().mean(dim=(1, 2, 3), keepdim=True).clamp_min(1e-20)
    change = torch.as_tensor(levels, device=images.device).view(-1, 1, 1, 1) / 255
    return (images + gradient / size * change).clamp(0, 1)


class Pool:
    """Pictures that are dreamed on while they are learnt from, until they make room for new ones.

    A dream is nothing like a photograph, and a student that has seen none of it dreams badly; the
    gradients that it learns by lead there at no further cost. Each picture has its own layer.
    What happens is a pure function of the seed, the step and the gradients.
    """

    def __init__(
        self, pictures: Pictures, layers: Sequence[str], batch: int, dreamed: int, seed: int
    ) -> None:
        self.pictures = pictures
        self.layers = list(layers)
        self.batch = batch
        self.dreamed = dreamed
        self.seed = seed
        self.drawn = 0
        self.images = torch.empty(0)
        self.facts: list[tuple[int, int, float, bool]] = []
        self.taken = np.empty(0, int)

    def _fresh(self) -> tuple[Tensor, tuple[int, int, float, bool]]:
        """Return a new picture, and its layer, steps to live, size of a step, and guide."""
        made = np.random.default_rng((self.seed, 1, self.drawn))
        self.drawn += 1
        layer, life = int(made.integers(len(self.layers))), int(made.integers(self.dreamed + 1))
        size, taught = float(made.uniform(*STEP_LEVELS)), bool(made.random() < TAUGHT_SHARE)
        return self.pictures(self.drawn - 1), (layer, life, size, taught)

    def pick(self, step: int) -> tuple[Tensor, list[str]]:
        """Return a batch of images (N, 3, crop, crop) and the layer of each."""
        if not self.facts:
            images, self.facts = map(
                list, zip(*(self._fresh() for _ in range(POOL_BATCHES * self.batch)), strict=True)
            )
            self.images = torch.stack(images)
        made = np.random.default_rng((self.seed, 2, step))
        self.taken = made.choice(len(self.facts), self.batch, replace=False)
        return self.images[self.taken], [self.layers[self.facts[n][0]] for n in self.taken]

    def move(self, ours: Tensor, theirs: Tensor, step: int) -> None:
        """Let the batch of `pick(step)` climb; ours, theirs: both gradients, of its shape."""
        made = np.random.default_rng((self.seed, 3, step))
        for number, own, teachers in zip(self.taken, ours.cpu(), theirs.cpu(), strict=True):
            layer, life, size, taught = self.facts[number]
            if life == 0:
                self.images[number], self.facts[number] = self._fresh()
                continue
            climbed = moved(self.images[number][None], (teachers if taught else own)[None], size)
            shift = [int(n) for n in made.integers(-16, 17, 2)]
            self.images[number] = torch.roll(climbed[0], shift, (1, 2))
            self.facts[number] = layer, life - 1, size, taught

    def state(self) -> dict[str, Any]:
        """Return all that `restore` needs."""
        return {"images": self.images, "facts": self.facts, "drawn": self.drawn}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.images, self.drawn = state["images"].cpu(), state["drawn"]
        self.facts = [tuple(facts) for facts in state["facts"]]
