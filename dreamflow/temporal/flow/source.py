"""Where the motion between two frames comes from, as the options say."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from dreamflow.core.frames import Frame
from dreamflow.core.timing import WAITING_STAGE, time_stage
from dreamflow.temporal.flow.completion import mended
from dreamflow.temporal.flow.estimators import Estimator, Motion, dis, estimate_motion, farneback
from dreamflow.temporal.flow.flo_files import FlowFolder
from dreamflow.temporal.options import CarryOptions

MotionSource = Callable[[Frame, Frame], Motion]
"""Gives the motion between two frames of one size, the earlier first, as a dream is carried."""

KEPT_BYTES = 512 * 2**20
"""Of remembered flow, at most: 24 pairs of 1280x720."""


def estimator(name: str, device: torch.device) -> Estimator:
    """Return the estimator that `--flow` names. A network's work on the device, others do not.

    Raises WeightsError or DependencyError where a network's cannot be had.
    """
    if name in ("dis", "farneback"):
        return dis if name == "dis" else farneback
    from dreamflow.temporal.flow.raft import (
        Raft,  # torchvision is imported only where it is asked for
    )

    return Raft.load(name, device)


def motion_source(carry: CarryOptions, device: torch.device) -> MotionSource:
    """Return what tells the motion between frames: files where there are, else an estimator."""
    if carry.flow_dir is not None:
        folder = FlowFolder(Path(carry.flow_dir))
        return Foreseen(lambda before, here: mended(folder(before, here), before, here))
    chosen = estimator(carry.flow, device)

    def estimated(before: Frame, here: Frame) -> Motion:
        if np.array_equal(before.picture, here.picture):
            return Motion.none(*here.picture.shape[:2])
        return mended(estimate_motion(before.picture, here.picture, chosen), before, here)

    # A network would only fight for the device with the one that dreams.
    return Foreseen(estimated, ahead=carry.flow in ("dis", "farneback"))


class Foreseen:
    """A source of motion that can look at a pair of frames in a thread, before it is asked."""

    def __init__(self, source: MotionSource, ahead: bool = True) -> None:
        """Take a source. ahead: whether it is of use to ask it ahead."""
        self.source, self.ahead = source, ahead
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="motion")
        # What is asked for now, and what will be asked for next.
        self._coming: deque[tuple[Frame, Frame, Future[Motion]]] = deque(maxlen=2)

    def foresee(self, before: Frame, here: Frame) -> None:
        """Begin with a pair that will most likely be asked for next."""
        if self.ahead:
            found = self._pool.submit(self._found, before, here)
            self._coming.append((before, here, found))

    def __call__(self, before: Frame, here: Frame) -> Motion:
        """Return the motion between two frames."""
        for number, (one, other, found) in enumerate(self._coming):
            if same(one, before) and same(other, here):
                del self._coming[number]
                with time_stage(WAITING_STAGE):
                    return found.result()
        return self._found(before, here)

    def _found(self, before: Frame, here: Frame) -> Motion:
        with time_stage("flow"):
            return self.source(before, here)


def same(one: Frame, other: Frame) -> bool:
    """Return whether two frames are one."""
    return one.index == other.index and one.picture is other.picture


def foresee(source: MotionSource, before: Frame, here: Frame) -> None:
    """Tell a source which pair will most likely be asked for next, where it can use that."""
    if isinstance(source, Remembered):
        if (here.index, before.index) not in source.kept:
            foresee(source.source, before, here)
    elif isinstance(source, Foreseen):
        source.foresee(before, here)


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
            return mended(Motion.of(backward, forward), before, here)
        motion = self.source(before, here)
        if before.index >= 0:
            # As it was found: mended, it would not agree with what is asked for after a break.
            found = motion.backward if motion.found is None else motion.found
            self.kept[before.index, here.index] = found, motion.forward
        most = KEPT_BYTES // (2 * motion.backward.nbytes)
        while len(self.kept) > most:
            del self.kept[next(iter(self.kept))]
        return motion
