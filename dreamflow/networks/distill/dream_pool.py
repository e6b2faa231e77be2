"""Training pictures that are dreamed on while a student learns from them.

A dream looks nothing like a photograph, and a student that has seen none dreams badly. The
gradients that it learns from are steps of a dream, so dreaming on costs nothing more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from dreamflow.networks.distill.training_pictures import TrainingPictures

DREAM_POOL_BATCHES = 4
"""Size of the pool, in batches."""
TEACHER_ASCENT_SHARE = 0.3
"""Share of the pictures that follow the teacher's gradient; the others follow the student's."""
ASCENT_STEP_LEVELS = (1.5, 5.0)
"""Range of the mean absolute change of a picture per step of ascent, in 8-bit levels."""
MAX_SHIFT_PX = 16
"""Largest shift of a picture between two steps, along each axis, in pixels."""


class _PoolEntry(NamedTuple):
    """A picture's layer by index, the steps it has left, its step in levels, and its gradient."""

    layer: int
    steps_left: int
    step_levels: float
    follows_teacher: bool


def ascend_gradient(images: Tensor, gradient: Tensor, levels: Tensor | float) -> Tensor:
    """Return images one step up a gradient.

    Args:
        images: (N, 3, H, W) in [0, 1].
        gradient: Of the same shape.
        levels: Mean absolute change of an image, in 8-bit levels; one number, or one an image.
    """
    mean_size = gradient.abs().mean(dim=(1, 2, 3), keepdim=True).clamp_min(1e-20)
    change = torch.as_tensor(levels, device=images.device).view(-1, 1, 1, 1) / 255
    return (images + gradient / mean_size * change).clamp(0, 1)


class DreamPool:
    """A pool of pictures, each dreamed on for a layer of its own and then replaced by a new one.

    What it does is a pure function of the seed, the step and the gradients.
    """

    def __init__(
        self,
        pictures: TrainingPictures,
        layers: Sequence[str],
        batch: int,
        max_dream_steps: int,
        seed: int,
    ) -> None:
        """Prepare the pool; the first batch fills it.

        Args:
            pictures: Where new pictures come from.
            layers: That pictures are dreamed on for.
            batch: Pictures in a batch.
            max_dream_steps: Steps of ascent before a picture is replaced, at most.
            seed: Of all random choices.
        """
        self.pictures = pictures
        self.layers = list(layers)
        self.batch = batch
        self.max_dream_steps = max_dream_steps
        self.seed = seed
        self.drawn_count = 0
        self.images = torch.empty(0)
        self.entries: list[_PoolEntry] = []
        self.batch_indices = np.empty(0, int)

    def _draw_picture(self) -> tuple[Tensor, _PoolEntry]:
        rng = np.random.default_rng((self.seed, 1, self.drawn_count))
        self.drawn_count += 1
        entry = _PoolEntry(
            layer=int(rng.integers(len(self.layers))),
            steps_left=int(rng.integers(self.max_dream_steps + 1)),
            step_levels=float(rng.uniform(*ASCENT_STEP_LEVELS)),
            follows_teacher=bool(rng.random() < TEACHER_ASCENT_SHARE),
        )
        return self.pictures(self.drawn_count - 1), entry

    def draw_batch(self, step: int) -> tuple[Tensor, list[str]]:
        """Return the images (N, 3, crop, crop) of a step, and the layer of each."""
        if not self.entries:
            drawn = [self._draw_picture() for _ in range(DREAM_POOL_BATCHES * self.batch)]
            self.images = torch.stack([image for image, _ in drawn])
            self.entries = [entry for _, entry in drawn]
        rng = np.random.default_rng((self.seed, 2, step))
        self.batch_indices = rng.choice(len(self.entries), self.batch, replace=False)
        layers = [self.layers[self.entries[int(index)].layer] for index in self.batch_indices]
        return self.images[self.batch_indices], layers

    def ascend_batch(self, student_gradient: Tensor, teacher_gradient: Tensor, step: int) -> None:
        """Move the batch of `draw_batch(step)` up its gradients, or replace what has no steps left.

        Args:
            student_gradient: (N, 3, crop, crop), of the batch.
            teacher_gradient: Of the same shape.
            step: That the batch was drawn for.
        """
        rng = np.random.default_rng((self.seed, 3, step))
        for index, student, teacher in zip(
            self.batch_indices, student_gradient.cpu(), teacher_gradient.cpu(), strict=True
        ):
            number = int(index)
            entry = self.entries[number]
            if entry.steps_left == 0:
                self.images[number], self.entries[number] = self._draw_picture()
                continue
            gradient = teacher if entry.follows_teacher else student
            image = ascend_gradient(self.images[number][None], gradient[None], entry.step_levels)
            shift = [int(n) for n in rng.integers(-MAX_SHIFT_PX, MAX_SHIFT_PX + 1, 2)]
            self.images[number] = torch.roll(image[0], shift, (1, 2))
            self.entries[number] = entry._replace(steps_left=entry.steps_left - 1)

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs: tensors and plain values."""
        entries = [tuple(entry) for entry in self.entries]
        return {"images": self.images, "facts": entries, "drawn": self.drawn_count}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned."""
        self.images, self.drawn_count = state["images"].cpu(), state["drawn"]
        self.entries = [_PoolEntry(*entry) for entry in state["facts"]]
