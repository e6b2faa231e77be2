"""A clip read and marked ahead of what is dreamed, and what of that belongs to each frame."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator

from dreamflow.core.frames import Frame
from dreamflow.core.prefetch import prefetch
from dreamflow.core.timing import RECORDED_STAGE_TIMES, StageTimes
from dreamflow.pipelines.pipeline import PipelineState
from dreamflow.temporal.shots import Mark, Marker

MarkedFrame = tuple[Frame, Mark]
DetectorSnapshot = tuple[PipelineState, int]
"""The marker's state behind a frame, and how many frames were read for it: a few more than came."""


def prefetch_marked_frames(
    frames: Iterable[Frame], detector: Marker, times: StageTimes = RECORDED_STAGE_TIMES
) -> Generator[tuple[Frame, Mark, DetectorSnapshot], None, None]:
    """Yield each frame with its mark, both made in a thread beforehand, and what is behind it."""
    read = 0

    def noted() -> Iterator[Frame]:
        nonlocal read
        source = iter(frames)
        while True:
            with times.stage("decode"):
                frame = next(source, None)
            if frame is None:
                return
            read = frame.index + 1
            yield frame

    def marked() -> Iterator[tuple[Frame, Mark, DetectorSnapshot]]:
        source = detector(noted())
        while True:
            with times.stage("shots"):
                one = next(source, None)
            if one is None:
                return
            yield *one, (detector.state(), read)

    return prefetch(marked(), times=times)
