"""Where the motion between two frames comes from, as the options say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from dreamflow.frames import Frame
from dreamflow.motion.flow import Estimator, Motion, dis, estimate_motion, farneback
from dreamflow.motion.flowfiles import FlowFolder
from dreamflow.options import CarryOptions

MotionSource = Callable[[Frame, Frame], Motion]
"""Gives the motion between two frames of one size, the earlier first."""


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
