"""What a student is shown: photographs and textures made by rule, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dreamflow.core.errors import MediaError
from dreamflow.media.resize import resize_picture
from dreamflow.media.stills import is_picture, read_picture

MAX_PHOTOGRAPH_SIDE_PX = 320
TEXTURE_SHARE = 0.08
"""Share of the pictures that are textures made by rule."""
DREAM_POOL_BATCHES = 4
"""Pictures alive at a time, in batches."""
TEACHER_ASCENT_SHARE = 0.3
"""Share of the pictures that climb as the teacher would; the others as the student would."""
ASCENT_STEP_LEVELS = (1.5, 5.0)
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
        scale = min(1.0, MAX_PHOTOGRAPH_SIDE_PX / max(picture.shape[:2]))
        height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
        photographs.append(resize_picture(picture, width, height))
    return photographs


class TrainingPictures:
    """An endless row of pictures, each a pure function of (seed, number)."""

    def __init__(self, photographs: list[np.ndarray], crop: int, seed: int) -> None:
        self.photographs = photographs
        self.crop = crop
        self.seed = seed

    def __call__(self, number: int) -> Tensor:
        """Return the picture of that number, float32 (3, crop, crop) in [0, 1]."""
        made = np.random.default_rng((self.seed, number))
        texture = made.random() < TEXTURE_SHARE
        picture = self._make_texture(made) if texture else self._crop_photograph(made)
        return torch.from_numpy(jitter_colours(picture, made).astype(np.float32)).permute(2, 0, 1)

    def stack(self, first: int, count: int) -> Tensor:
        """Return `count` pictures from number `first` on, (count, 3, crop, crop)."""
        return torch.stack([self(number) for number in range(first, first + count)])

    def _crop_photograph(self, rng: np.random.Generator) -> np.ndarray:
        photograph = self.photographs[rng.integers(len(self.photographs))]
        height, width = photograph.shape[:2]
        # From half to twice the size at which the crop is seen.
        side = int(min(height, width, self.crop * 2 ** rng.uniform(-1, 1)))
        top = rng.integers(height - side + 1)
        left = rng.integers(width - side + 1)
        part = resize_picture(
            photograph[top : top + side, left : left + side], self.crop, self.crop
        )
        if rng.random() < 0.5:
            part = part[:, ::-1]
        return part.astype(np.float32) / 255

    def _make_texture(self, rng: np.random.Generator) -> np.ndarray:
        """Return noise of several scales, its colours mixed at random."""
        total = np.zeros((self.crop, self.crop, 3), np.float32)
        for power in range(2, 7):
            cells = rng.standard_normal((2**power, 2**power, 3)).astype(np.float32)
            levels = np.clip(cells * 40 + 128, 0, 255).astype(np.uint8)
            total += (
                resize_picture(levels, self.crop, self.crop) * rng.uniform(0, 1) / 2 ** (power / 2)
            )
        mixed = total @ rng.uniform(-0.3, 1, (3, 3)).astype(np.float32)
        low, high = mixed.min(), mixed.max()
        return (mixed - low) / max(float(high - low), 1e-6)


def jitter_colours(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a picture in [0, 1] with brightness, contrast and saturation changed a little."""
    grey = picture.mean(axis=2, keepdims=True)
    picture = grey + (picture - grey) * rng.uniform(0.6, 1.4)
    picture = 0.5 + (picture - 0.5) * rng.uniform(0.7, 1.2) + rng.uniform(-0.1, 0.1)
    return np.clip(picture, 0, 1)


def ascend_gradient(images: Tensor, gradient: Tensor, levels: Tensor | float) -> Tensor:
    """Return images (N, 3, H, W) one step up a gradient: each changed by so many levels of 255."""
    size = gradient.abs().mean(dim=(1, 2, 3), keepdim=True).clamp_min(1e-20)
    change = torch.as_tensor(levels, device=images.device).view(-1, 1, 1, 1) / 255
    return (images + gradient / size * change).clamp(0, 1)


class DreamPool:
    """Pictures that are dreamed on while they are learnt from, until they make room for new ones.

    A dream is nothing like a photograph, and a student that has seen none of it dreams badly; the
    gradients that it learns by lead there at no further cost. Each picture has its own layer.
    What happens is a pure function of the seed, the step and the gradients.
    """

    def __init__(
        self,
        pictures: TrainingPictures,
        layers: Sequence[str],
        batch: int,
        max_dream_steps: int,
        seed: int,
    ) -> None:
        self.pictures = pictures
        self.layers = list(layers)
        self.batch = batch
        self.max_dream_steps = max_dream_steps
        self.seed = seed
        self.drawn_count = 0
        self.images = torch.empty(0)
        self.entries: list[tuple[int, int, float, bool]] = []
        self.batch_indices = np.empty(0, int)

    def _draw_picture(self) -> tuple[Tensor, tuple[int, int, float, bool]]:
        """Return a new picture, and its layer, steps to live, size of a step, and guide."""
        made = np.random.default_rng((self.seed, 1, self.drawn_count))
        self.drawn_count += 1
        layer, life = (
            int(made.integers(len(self.layers))),
            int(made.integers(self.max_dream_steps + 1)),
        )
        size, taught = (
            float(made.uniform(*ASCENT_STEP_LEVELS)),
            bool(made.random() < TEACHER_ASCENT_SHARE),
        )
        return self.pictures(self.drawn_count - 1), (layer, life, size, taught)

    def draw_batch(self, step: int) -> tuple[Tensor, list[str]]:
        """Return a batch of images (N, 3, crop, crop) and the layer of each."""
        if not self.entries:
            images, self.entries = map(
                list,
                zip(
                    *(self._draw_picture() for _ in range(DREAM_POOL_BATCHES * self.batch)),
                    strict=True,
                ),
            )
            self.images = torch.stack(images)
        made = np.random.default_rng((self.seed, 2, step))
        self.batch_indices = made.choice(len(self.entries), self.batch, replace=False)
        return self.images[self.batch_indices], [
            self.layers[self.entries[n][0]] for n in self.batch_indices
        ]

    def ascend_batch(self, student_gradient: Tensor, teacher_gradient: Tensor, step: int) -> None:
        """Let the batch of `pick(step)` climb; ours, theirs: both gradients, of its shape."""
        made = np.random.default_rng((self.seed, 3, step))
        for number, own, teachers in zip(
            self.batch_indices, student_gradient.cpu(), teacher_gradient.cpu(), strict=True
        ):
            layer, life, size, taught = self.entries[number]
            if life == 0:
                self.images[number], self.entries[number] = self._draw_picture()
                continue
            climbed = ascend_gradient(
                self.images[number][None], (teachers if taught else own)[None], size
            )
            shift = [int(n) for n in made.integers(-16, 17, 2)]
            self.images[number] = torch.roll(climbed[0], shift, (1, 2))
            self.entries[number] = layer, life - 1, size, taught

    def state(self) -> dict[str, Any]:
        """Return all that `restore` needs."""
        return {"images": self.images, "facts": self.entries, "drawn": self.drawn_count}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.images, self.drawn_count = state["images"].cpu(), state["drawn"]
        self.entries = [tuple(facts) for facts in state["facts"]]
