"""What a dream grows on: the source, or the source and noise that moves with the scene."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from dreamflow.core.tensors import array_to_tensor, picture_to_tensor
from dreamflow.dream.options import DreamOptions
from dreamflow.pipelines.noise import noise_about, with_noise
from dreamflow.pipelines.pipeline import PipelineState
from dreamflow.temporal.carry import Carried
from dreamflow.temporal.flow.estimators import Motion


def ground_of(picture: np.ndarray, options: DreamOptions, device: torch.device) -> Tensor:
    """Return what a picture by itself is dreamed on; see `Ground.under`."""
    return Ground(options, device).under(picture)


class Ground:
    """What the frames of a shot are dreamed on, one after the other.

    Noise that stood still while the scene moves would look like dirt on the lens, and new noise in
    each frame would flicker. So it is carried along the motion as the dream is, and held as strong
    as it was. What comes into view is taken from where the whole of the noise would be by then, if
    it had moved as most of the scene did; beyond its borders it is mirrored.
    """

    def __init__(self, options: DreamOptions, device: torch.device) -> None:
        """Make ready for the first frame of a shot."""
        self.share, self.seed, self.device = options.noise, options.seed, device
        self.reset()

    def reset(self) -> None:
        """Begin a new shot."""
        self._noise: Carried | None = None
        self._passed = np.zeros(2)
        """How far the scene has moved, (x, y) in pixels."""

    def state(self) -> PipelineState:
        """Return what is needed to go on."""
        return {"noise": self._noise and vars(self._noise), "passed": self._passed.tolist()}

    def restore(self, state: PipelineState) -> None:
        """Go on from a state."""
        self._noise = state["noise"] and Carried(**state["noise"])
        self._passed = np.array(state["passed"])

    def move(self, motion: Motion) -> None:
        """Go on to the next frame."""
        if self._noise is None:
            return
        height, width = self._noise.residual.shape[:2]
        self._passed = self._passed + np.median(motion.backward.reshape(-1, 2), axis=0)
        x, y = np.rint(self._passed).astype(int)
        coming = noise_about(width, height, self.seed)[mirrored(height, y)][:, mirrored(width, x)]
        moved = self._noise.along(motion, 1.0)
        filled = moved.residual + (1 - motion.trust)[..., None] * coming
        # Resampled over and over, some waves grow: they are held down as well as up, in what has
        # just come into view too.
        self._noise = replace(moved, residual=filled, settled=self._noise.settled).held(1.0)

    def under(self, picture: np.ndarray) -> Tensor:
        """Return what is dreamed on, (1, 3, H, W) in [0, 1], of a uint8 (H, W, 3) frame."""
        if self.share == 0:
            return picture_to_tensor(picture, self.device)
        height, width = picture.shape[:2]
        if self._noise is None or self._noise.residual.shape != picture.shape:
            self._noise = Carried.begun(noise_about(width, height, self.seed))
        return array_to_tensor(with_noise(picture, self._noise.residual, self.share), self.device)


def mirrored(side: int, shift: int) -> np.ndarray:
    """Return which pixel of a row of `side` is seen at each place, `shift` pixels on."""
    places = (np.arange(side) + shift) % (2 * side)
    return np.minimum(places, 2 * side - 1 - places)
