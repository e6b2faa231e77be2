"""A picture to begin with where there is none: soft coloured clouds, with detail at every scale."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F

BRIGHTNESS = 0.45
CONTRAST = 0.16
"""Standard deviation of the brightness."""
COLOUR = 0.05
"""The same of the two colour differences: clouds of colour, not confetti."""
COARSEST_CELLS = 3
"""Cells along the shorter side at the coarsest scale; each next one has twice as many."""
FALL = {"brightness": 0.62, "colour": 0.45}
"""Amplitude of each scale, as a share of the coarser one: colour lives in the large forms."""
OPPONENT = np.array([[1, 1, 1], [1, 0, -1], [-0.5, 1, -0.5]], np.float32)
"""RGB of brightness, of warm against cold, and of green against purple."""


def coloured_noise(width: int, height: int, seed: int) -> np.ndarray:
    """Return a uint8 (height, width, 3) RGB picture; the same for the same seed and size."""
    picture = BRIGHTNESS + noise_about(width, height, seed)
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


@lru_cache(maxsize=1)
def noise_about(width: int, height: int, seed: int) -> np.ndarray:
    """Return the same noise less its mean brightness, float32 (height, width, 3); read only."""
    made = np.random.default_rng(seed)
    planes = [
        clouds(width, height, made, FALL["brightness"]) * CONTRAST,
        clouds(width, height, made, FALL["colour"]) * COLOUR,
        clouds(width, height, made, FALL["colour"]) * COLOUR,
    ]
    noise = np.stack(planes, axis=-1) @ OPPONENT
    noise.flags.writeable = False
    return noise


def with_noise(picture: np.ndarray, noise: np.ndarray, share: float) -> np.ndarray:
    """Return a picture mixed with noise: float32 (H, W, 3) in [0, 1].

    picture: uint8 (H, W, 3) RGB. noise: of the same shape, see `noise_about`. share: of noise, from
    0 to 1.
    """
    pixels = picture.astype(np.float32) / 255
    return np.clip(pixels + np.float32(share) * (BRIGHTNESS + noise - pixels), 0, 1)


def clouds(width: int, height: int, made: np.random.Generator, fall: float) -> np.ndarray:
    """Return float32 (height, width) smooth noise of mean 0 and standard deviation 1."""
    total = np.zeros((height, width), np.float32)
    cells, amplitude = COARSEST_CELLS, 1.0
    while True:
        rows, columns = (
            max(2, round(cells * side / min(width, height))) for side in (height, width)
        )
        if rows > height or columns > width:
            break
        grid = made.standard_normal((rows, columns), dtype=np.float32)
        smooth = F.interpolate(torch.from_numpy(grid)[None, None], (height, width), mode="bicubic")
        total += amplitude * smooth[0, 0].numpy()
        cells, amplitude = 2 * cells, amplitude * fall
    return (total - total.mean()) / max(float(total.std()), 1e-6)
