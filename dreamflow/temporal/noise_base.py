"""What a dream grows on: the source, or the source mixed with noise that moves with the scene."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dreamflow.core.files.documents import DocumentError
from dreamflow.core.imaging.arrays import as_tensor, image_size
from dreamflow.core.imaging.masks import apply_mask
from dreamflow.core.imaging.warp import warp
from dreamflow.dream.options import DreamOptions
from dreamflow.temporal.control.bands import equalise_bands, measure_bands
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.motion.motion import Motion
from dreamflow.temporal.state_tree import fit_tree

BRIGHTNESS = 0.45
"""Mean of the noise, of full scale."""
CONTRAST = 0.16
"""Standard deviation of its brightness, of full scale."""
COLOUR_CONTRAST = 0.05
"""Standard deviation of its two colour differences: clouds of colour, not confetti."""
COARSEST_CELLS = 3
"""Cells along the shorter side at the coarsest scale; each next one has twice as many."""
BRIGHTNESS_FALLOFF, COLOUR_FALLOFF = 0.62, 0.45
"""Amplitude of each scale, as a share of the coarser one: colour lives in the large forms."""
OPPONENT_TO_RGB = np.array([[1, 1, 1], [1, 0, -1], [-0.5, 1, -0.5]], np.float32)
"""RGB of brightness, of warm against cold, and of green against purple."""


def coloured_noise(width: int, height: int, seed: int) -> np.ndarray:
    """Return a noise picture, uint8 (height, width, 3) RGB; the same for the same seed and size."""
    picture = BRIGHTNESS + make_noise(width, height, seed)
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


@lru_cache(maxsize=1)
def make_noise(width: int, height: int, seed: int) -> np.ndarray:
    """Return noise about its mean brightness, float32 (height, width, 3), read-only."""
    generator = np.random.default_rng(seed)
    planes = [
        make_clouds(width, height, generator, BRIGHTNESS_FALLOFF) * CONTRAST,
        make_clouds(width, height, generator, COLOUR_FALLOFF) * COLOUR_CONTRAST,
        make_clouds(width, height, generator, COLOUR_FALLOFF) * COLOUR_CONTRAST,
    ]
    noise = np.stack(planes, axis=-1) @ OPPONENT_TO_RGB
    noise.flags.writeable = False
    return noise


def make_clouds(
    width: int, height: int, generator: np.random.Generator, falloff: float
) -> np.ndarray:
    """Return smooth noise, float32 (height, width), of mean 0 and standard deviation 1."""
    total = np.zeros((height, width), np.float32)
    cells, amplitude = COARSEST_CELLS, 1.0
    while True:
        rows, columns = (
            max(2, round(cells * side / min(width, height))) for side in (height, width)
        )
        if rows > height or columns > width:
            break
        grid = generator.standard_normal((rows, columns), dtype=np.float32)
        smooth = F.interpolate(torch.as_tensor(grid)[None, None], (height, width), mode="bicubic")
        total += amplitude * smooth[0, 0].numpy()
        cells, amplitude = 2 * cells, amplitude * falloff
    return (total - total.mean()) / max(float(total.std()), 1e-6)


def mix_noise(frame: Tensor, noise: Tensor, share: float) -> Tensor:
    """Return a frame mixed with noise, float32 (1, 3, H, W) in [0, 1].

    Args:
        frame: float32 (1, 3, H, W), RGB in [0, 1].
        noise: float32 (1, 3, H, W) about its mean; see `make_noise`.
        share: Share of noise, 0 to 1.
    """
    return (frame + share * (BRIGHTNESS + noise - frame)).clamp_(0, 1)


@dataclass(frozen=True)
class NoiseState:
    """What a noise base goes on from.

    Attributes:
        noise: (1, 3, H, W) float32, the noise under the frame before; None before the first one.
        shift: (2,) float32, pixels that most of the scene has moved, (dx, dy).
    """

    noise: Tensor | None
    shift: Tensor


class NoiseBase:
    """What the frames of a shot are dreamed on, one after the other.

    Noise that stood still while the scene moves would look like dirt on the lens, and new noise in
    each frame would flicker. So it is carried along the motion as the dream is, and kept as strong
    as it was. What comes into view is taken from where the whole of the noise would be by then, had
    it moved as most of the scene did; beyond its borders it is mirrored.
    """

    def __init__(self, options: DreamOptions, device: torch.device, gains: Gains) -> None:
        """Begin before the first frame of a shot."""
        self._share, self._seed, self._device, self._gains = (
            options.noise,
            options.seed,
            device,
            gains,
        )
        self._whole: Tensor | None = None
        self.reset()

    def reset(self) -> None:
        """Begin a new shot."""
        self._noise: Tensor | None = None
        self._shift = torch.zeros(2, device=self._device)

    def state(self) -> dict[str, Any]:
        """Return what is needed to go on, as tensors on the device; see `state_to_tree`."""
        return {"noise": self._noise, "shift": self._shift}

    def restore(self, tree: Any, size: tuple[int, int] | None = None) -> None:
        """Go on from a state.

        Args:
            tree: What `state` returned, or as it was read from a file; see `fit_tree`.
            size: (height, width) of the frame before, if there is one.

        Raises:
            DocumentError: It is no state of a noise base, or of one of another size.
        """
        state = fit_tree(tree, NoiseState, self._device)
        shape = None if state.noise is None else tuple(state.noise.shape)
        if state.shift.shape != (2,) or (size and shape not in (None, (1, 3, *size))):
            raise DocumentError("the noise is not of the frame's size")
        self._noise, self._shift = state.noise, state.shift

    def advance(self, motion: Motion) -> None:
        """Move the noise to the next frame; motion: on the device."""
        if self._noise is None:
            return
        height, width = image_size(self._noise)
        motion = motion.resized((height, width))
        self._shift = self._shift + motion.backward.flatten(2)[0].median(1).values
        whole = self._whole_noise(height, width)
        setpoint = measure_bands(whole, self._gains)
        rows = _mirrored_index(height, self._shift[1])
        columns = _mirrored_index(width, self._shift[0])
        coming = whole.index_select(2, rows).index_select(3, columns)
        carried = apply_mask(warp(self._noise, motion.backward), motion.confidence)
        filled = carried + apply_mask(coming, 1 - motion.confidence)
        # Resampled over and over, some waves grow: bands are pulled down as well as up.
        full = torch.ones_like(motion.confidence)
        self._noise = equalise_bands(
            filled, setpoint, full, 1.0, self._gains.max_band_gain, 1.0, self._gains
        )

    def under(self, frame: Tensor) -> Tensor:
        """Return what a frame is dreamed on; both float32 (1, 3, H, W), RGB in [0, 1]."""
        if self._share == 0:
            return frame
        height, width = frame.shape[2:]
        if self._noise is None or self._noise.shape != frame.shape:
            self._noise = self._whole_noise(height, width)
        return mix_noise(frame, self._noise, self._share)

    def _whole_noise(self, height: int, width: int) -> Tensor:
        """Return the noise as it begins, (1, 3, height, width)."""
        if self._whole is None or self._whole.shape[2:] != (height, width):
            # A copy, since the array is read-only and a tensor on its memory would not be.
            noise = make_noise(width, height, self._seed).copy()
            self._whole = as_tensor(noise).to(self._device)
        return self._whole


def noise_base_of(frame: Tensor, options: DreamOptions) -> Tensor:
    """Return what a picture by itself is dreamed on, float32 (1, 3, H, W), RGB in [0, 1]."""
    return NoiseBase(options, frame.device, Gains()).under(frame)


def _mirrored_index(length: int, shift: Tensor) -> Tensor:
    """Return which pixel of a mirrored axis is seen at each place, `shift` pixels on."""
    period = 2 * length
    places = (torch.arange(length, device=shift.device) + shift.round()).remainder(period).long()
    return torch.minimum(places, period - 1 - places)
