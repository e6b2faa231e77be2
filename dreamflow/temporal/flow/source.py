"""Where the motion between two frames comes from: an estimator or files, ahead of its use."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from dreamflow.core.frames import Frame
from dreamflow.core.timing import IGNORED_STAGE_TIMES, WAITING_STAGE, StageTimes
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.flow.completion import complete_flow, still_motion
from dreamflow.temporal.flow.estimators import (
    FlowEstimator,
    estimate_dis,
    estimate_farneback,
    reduced_size,
)
from dreamflow.temporal.flow.flo_files import FlowFolder
from dreamflow.temporal.flow.flow_pair import FlowPair
from dreamflow.temporal.motion.motion import Motion
from dreamflow.temporal.options import CarryOptions

FlowSource = Callable[[Frame, Frame], FlowPair]
"""Gives the flow between two frames of one size, the earlier first."""

MAX_CACHE_BYTES = 512 * 2**20
"""Memory that cached flow may take: 72 pairs of 960x540."""


def choose_estimator(name: str, device: torch.device) -> FlowEstimator:
    """Return the estimator that the setting `flow` names; a network's works on the device.

    Raises:
        WeightsError: The weights of a flow network are not found.
        DependencyError: torchvision cannot be used.
    """
    if name in ("dis", "farneback"):
        return estimate_dis if name == "dis" else estimate_farneback
    from dreamflow.temporal.flow.raft import Raft  # torchvision is imported only where it is used

    return Raft.load(name, device)


def open_motion_source(
    carry: CarryOptions,
    device: torch.device,
    gains: Gains,
    times: StageTimes = IGNORED_STAGE_TIMES,
) -> MotionSource:
    """Return the source of motion that the settings ask for: files where given, or an estimator.

    Raises:
        SettingsError: The folder of flow files is not there, or holds none.
        WeightsError: The weights of a flow network are not found.
        DependencyError: torchvision cannot be used.
    """
    if carry.flow_dir is not None:
        return MotionSource(FlowFolder(Path(carry.flow_dir)), gains, times=times)
    estimator = choose_estimator(carry.flow, device)

    def estimate(before: Frame, here: Frame) -> FlowPair:
        return estimator(before.picture, here.picture)

    # A flow network would only compete for the device with the one that dreams.
    on_host = carry.flow in ("dis", "farneback")
    return MotionSource(estimate, gains, prefetches=on_host, still_where_equal=True, times=times)


class MotionSource:
    """Finds and completes the motion between frames, ahead in a thread where it is asked to."""

    def __init__(
        self,
        source: FlowSource,
        gains: Gains,
        *,
        prefetches: bool = True,
        still_where_equal: bool = False,
        times: StageTimes = IGNORED_STAGE_TIMES,
    ) -> None:
        """Take a source of flow.

        Args:
            source: Gives the flow.
            gains: The constants of its completion.
            prefetches: Whether it is of use to ask the source ahead, in a thread.
            still_where_equal: Whether equal frames have no motion, without asking the source.
            times: Counts the time that flow takes.
        """
        self.gains, self.prefetches, self._times = gains, prefetches, times
        self._source, self._still_where_equal = source, still_where_equal
        self._cache: CachedFlow | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="motion")
        # What is asked for now, and what will be asked for next.
        self._coming: deque[tuple[Frame, Frame, Future[Motion]]] = deque(maxlen=2)

    def prefetch(self, before: Frame, here: Frame) -> None:
        """Begin with a pair of frames that will most likely be asked for next."""
        if self.prefetches:
            future = self._pool.submit(self._find, before, here)
            self._coming.append((before, here, future))

    def __call__(self, before: Frame, here: Frame) -> Motion:
        """Return the motion between two frames, on the CPU."""
        if not self.prefetches:
            return self._find(before, here)
        with self._times.stage(WAITING_STAGE):
            return self._take_future(before, here).result()

    def _take_future(self, before: Frame, here: Frame) -> Future[Motion]:
        """Return the search for a pair's motion: the one begun ahead, or a new one."""
        for number, (one, other, future) in enumerate(self._coming):
            if _is_same(one, before) and _is_same(other, here):
                del self._coming[number]
                return future
        return self._pool.submit(self._find, before, here)

    def start_caching(self) -> None:
        """Keep flow from now on, for the frames to be gone through in the opposite direction."""
        self._cache = CachedFlow(self._source)

    def stop_caching(self) -> None:
        """Forget the flow that was kept."""
        self._cache = None

    def _find(self, before: Frame, here: Frame) -> Motion:
        with self._times.stage("flow"):
            if self._still_where_equal and np.array_equal(before.picture, here.picture):
                return still_motion(*reduced_size(*here.picture.shape[:2]), self.gains)
            # Compared with None, since an empty cache has length 0 and so is false.
            source = self._source if self._cache is None else self._cache
            flow = source(before, here)
            return complete_flow(flow, before.picture, here.picture, self.gains)


class CachedFlow:
    """A source of flow that estimates a pair of frames once, for one direction and the opposite.

    A pair is dropped when it is asked for in the opposite direction, and the oldest ones where all
    take more than MAX_CACHE_BYTES.
    """

    def __init__(self, source: FlowSource, max_bytes: int = MAX_CACHE_BYTES) -> None:
        """Take a source, and the memory that kept flow may take."""
        self._source, self._max_bytes = source, max_bytes
        self._pairs: dict[tuple[int, int], FlowPair] = {}

    def __len__(self) -> int:
        """Return how many pairs are kept."""
        return len(self._pairs)

    def __call__(self, before: Frame, here: Frame) -> FlowPair:
        """Return the flow between two frames."""
        if (opposite := self._pairs.pop((here.index, before.index), None)) is not None:
            return opposite.reversed
        flow = self._source(before, here)
        if before.index >= 0:
            self._pairs[before.index, here.index] = flow
        while len(self._pairs) > self._max_bytes // flow.nbytes:
            del self._pairs[next(iter(self._pairs))]
        return flow


def _is_same(one: Frame, other: Frame) -> bool:
    return one.index == other.index and one.picture is other.picture
