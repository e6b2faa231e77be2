"""Material for the tests of optical flow: frames whose motion is known, and files of it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
from temporal_scenes import make_pan

from dreamflow.core.frames import Frame

HEIGHT, WIDTH = 96, 128


def make_pair(dx: int, dy: int, height: int = HEIGHT, width: int = WIDTH) -> list[np.ndarray]:
    """Return two pictures; what they show moves by (dx, dy) from the first to the second."""
    return make_pan(2, dx, dy, height, width)


def make_frame_pair(index: int = 11) -> tuple[Frame, Frame]:
    """Return frames `index` and `index + 1`, what they show moving by (3, -2)."""
    before, here = make_pair(3, -2)
    return Frame(index, Fraction(0), before), Frame(index + 1, Fraction(1, 24), here)


def constant_flow(dx: float, dy: float, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Return the flow (dx, dy) everywhere, float32 (height, width, 2)."""
    return np.full((height, width, 2), (dx, dy), np.float32)


def write_flo(path: Path, flow: np.ndarray) -> None:
    """Write a flow (H, W, 2) in Middlebury's format."""
    height, width = flow.shape[:2]
    sides = np.array([width, height], "<i4").tobytes()
    path.write_bytes(b"PIEH" + sides + flow.astype("<f4").tobytes())
