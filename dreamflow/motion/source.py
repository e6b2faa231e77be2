"""Where the motion between two frames comes from, as the options say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from dreamflow.frames import Frame
from dreamflow.motion.flow import Estimator, Motion, dis, estimate_motion, farneback
from dreamflow.motion.flowfiles import FlowFolder
from dreamflow.options import CarryOptions

MotionSource = Callable[[Frame, Frame], Motion]
"""Gives the motion between two frames of one size, the earlier first."""

KEPT_BYTES = 512 * 2**20
"""Of remembered flow, at most: 24 pairs of 1280x720."""


def estimator(name: str, device: torch.device) -> Estimator:
    """Return the estimator that `--flow` names. A network's work on the device, others do not.

    Raises WeightsError or DependencyError where a network's cannot be had.
    """
    if name in ("dis", "farneback"):
        return dis if name == "dis" else farneback
    from dreamflow.motion.raft import Raft  # torchvision is imported only where it is asked for

    return Raft.load(name, device)


def motion_source(carry: CarryOptions, device: torch.device) -> MotionSource:
    """Return what tells the motion between frames: files where there are, else an estimator."""
    if carry.flow_dir is not None:
        return FlowFolder(Path(carry.flow_dir))
    chosen = estimator(carry.flow, device)
    return lambda before, here: estimate_motion(before.picture, here.picture, chosen)


class Remembered:
    """A source of motion that looks at a pair of frames once, for one way of the clip and back.

    What it has found is let go of when it is asked for the other way round, and the oldest of it
    when it comes to more than KEPT_BYTES.
    """

    def __init__(self, source: MotionSource) -> None:
        self.source = source
        self.kept: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}

    def __call__(self, before: Frame, here: Frame) -> Motion:
        """Return the motion between two frames."""
        if (flows := self.kept.pop((here.index, before.index), None)) is not None:
            forward, backward = flows
            return Motion.of(backward, forward)
        motion = self.source(before, here)
        if before.index >= 0:
            self.kept[before.index, here.index] = motion.backward, motion.forward
        most = KEPT_BYTES // (2 * motion.backward.nbytes)
        while len(self.kept) > most:
            del self.kept[next(iter(self.kept))]
        return motion
