"""Frames read and marked with cuts and flashes ahead of being dreamed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dreamflow.core.frames import Frame
from dreamflow.core.prefetch import prefetch
from dreamflow.core.timing import IGNORED_STAGE_TIMES, StageTimes
from dreamflow.pipelines.pipeline import PipelineState
from dreamflow.temporal.shots import Mark, Marker

MarkedFrame = tuple[Frame, Mark]
DetectorSnapshot = tuple[PipelineState, int]
"""(detector state after a frame, source frames consumed for it including look-ahead)."""


def mark_frames(
    frames: Iterable[Frame],
    detector: Marker,
    times: StageTimes = IGNORED_STAGE_TIMES,
    *,
    in_thread: bool = True,
) -> Iterator[tuple[Frame, Mark, DetectorSnapshot]]:
    """Yield each frame with its mark and the snapshot after it.

    Args:
        frames: In order.
        detector: Marks them; it may look a few frames ahead.
        times: Counts the time that decoding and shot detection take.
        in_thread: Whether both are done ahead, in a thread of their own.
    """
    read = 0

    def decode() -> Iterator[Frame]:
        nonlocal read
        source = iter(frames)
        while True:
            with times.stage("decode"):
                frame = next(source, None)
            if frame is None:
                return
            read = frame.index + 1
            yield frame

    def mark() -> Iterator[tuple[Frame, Mark, DetectorSnapshot]]:
        source = detector(decode())
        while True:
            with times.stage("shots"):
                marked = next(source, None)
            if marked is None:
                return
            yield *marked, (detector.state(), read)

    return prefetch(mark(), times=times) if in_thread else mark()
