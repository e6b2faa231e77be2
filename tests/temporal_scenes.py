"""Material for the tests of the temporal step: scenes that move, residuals, motions, settings."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from conftest import make_texture
from torch import Tensor

from dreamflow.core.frames import Frame
from dreamflow.dream.options import DreamOptions
from dreamflow.temporal.control.gains import REFERENCE_S, Gains
from dreamflow.temporal.flow.completion import make_motion
from dreamflow.temporal.motion.motion import Motion
from dreamflow.temporal.options import CarryOptions
from dreamflow.temporal.state import CarriedDream, DreamState
from dreamflow.temporal.step_settings import StepSettings

GAINS = Gains()
SMALL_DREAM = DreamOptions(layer=("conv2/3x3",), octaves=2, iterations=4, jitter=8)
FRAME_RATES = (30, 60, 120)
"""Rates whose frames are no longer than `Gains.longest_frame`."""


def make_pan(
    count: int, dx: int = 2, dy: int = 1, height: int = 96, width: int = 96, seed: int = 0
) -> list[np.ndarray]:
    """Return pictures of a scene that moves by (dx, dy) pixels from each to the next."""
    across, down = abs(dx) * (count - 1), abs(dy) * (count - 1)
    scene = make_texture(height + down, width + across, seed)
    pictures: list[np.ndarray] = []
    for number in range(count):
        x = across - dx * number if dx > 0 else -dx * number
        y = down - dy * number if dy > 0 else -dy * number
        pictures.append(np.ascontiguousarray(scene[y : y + height, x : x + width]))
    return pictures


def make_frames(pictures: Sequence[np.ndarray], rate: int = 24) -> list[Frame]:
    """Return pictures as the frames of a clip."""
    return [Frame(n, Fraction(n, rate), picture) for n, picture in enumerate(pictures)]


def make_residual(height: int = 64, width: int = 96, sigma: float = 0.1, seed: int = 0) -> Tensor:
    """Return noise of a standard deviation, float32 (1, 3, height, width)."""
    generator = torch.Generator().manual_seed(seed)
    return sigma * torch.randn(1, 3, height, width, generator=generator)


def make_uniform_motion(
    dx: float, dy: float, height: int, width: int, confidence: np.ndarray | float = 1.0
) -> Motion:
    """Return a motion whose backward flow is (dx, dy) everywhere."""
    flow = np.full((height, width, 2), (dx, dy), np.float32)
    full = np.broadcast_to(np.float32(confidence), (height, width)).copy()
    return make_motion(flow, full, height, width, GAINS)


def make_state(*dreams: CarriedDream) -> DreamState:
    """Return the state of some carried dreams, all shown alike."""
    share = torch.tensor(len(dreams) ** -0.5)
    return DreamState(dict(enumerate(dreams)), dict.fromkeys(range(len(dreams)), share))


def make_settings(objective: Any = None, **values: Any) -> StepSettings:
    """Return a step's settings; stages that do not dream take no objective."""
    defaults: dict[str, Any] = {
        "dream": SMALL_DREAM,
        "carry": CarryOptions(),
        "objective": objective,
        "objectives": {0: objective},
        "weights": {0: 1.0},
        "seconds": REFERENCE_S,
    }
    return StepSettings(**(defaults | values))
