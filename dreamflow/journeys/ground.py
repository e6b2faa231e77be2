"""What a dream grows on: the source, or the source and noise that moves with the scene."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from dreamflow.journeys.edge import from_array, to_image
from dreamflow.journeys.journey import State
from dreamflow.journeys.noise import noise_about, with_noise
from dreamflow.motion import Carried
from dreamflow.motion.flow import Motion
from dreamflow.options import DreamOptions


def ground_of(picture: np.ndarray, options: DreamOptions, device: torch.device) -> Tensor:
    """Return what a picture by itself is dreamed on; see `Ground.under`."""
    return Ground(options, device).under(picture)


class Ground:
    """What the frames of a shot are dreamed on, one after the other.

    Noise that stood still while the scene moves would look like dirt on the lens, and new noise in
    each frame would flicker. So it is carried along the motion as the dream is; where the scene
    comes into view it is the noise that the shot began with, and it stays as strong and as sharp.
    """

    def __init__(self, options: DreamOptions, device: torch.device) -> None:
        """Make ready for the first frame of a shot."""
        self.share, self.seed, self.device = options.noise, options.seed, device
        self._noise: Carried | None = None

    def reset(self) -> None:
        """Begin a new shot."""
        self._noise = None

    def state(self) -> State | None:
        """Return what is needed to go on."""
        return self._noise and vars(self._noise)

    def restore(self, state: State | None) -> None:
        """Go on from a state."""
        self._noise = None if state is None else Carried(**state)

    def move(self, motion: Motion) -> None:
        """Go on to the next frame."""
        if self._noise is None:
            return
        height, width = self._noise.residual.shape[:2]
        moved = self._noise.along(motion, 1.0)
        hidden = (1 - motion.trust)[..., None] * noise_about(width, height, self.seed)
        self._noise = replace(moved, residual=moved.residual + hidden).held(1.0)

    def under(self, picture: np.ndarray) -> Tensor:
        """Return what is dreamed on, (1, 3, H, W) in [0, 1], of a uint8 (H, W, 3) frame."""
        if self.share == 0:
            return to_image(picture, self.device)
        height, width = picture.shape[:2]
        if self._noise is None or self._noise.residual.shape != picture.shape:
            self._noise = Carried.begun(noise_about(width, height, self.seed))
        return from_array(with_noise(picture, self._noise.residual, self.share), self.device)
