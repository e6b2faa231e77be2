"""A clip read and marked ahead of what is dreamed, and what of that belongs to each frame."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator

from dreamflow.ahead import ahead
from dreamflow.frames import Frame
from dreamflow.journeys.journey import State
from dreamflow.motion import Mark, Marker
from dreamflow.stages import stage

Marked = tuple[Frame, Mark]
Behind = tuple[State, int]
"""The marker's state behind a frame, and how many frames were read for it: a few more than came."""


def marked_ahead(
    frames: Iterable[Frame], marker: Marker
) -> Generator[tuple[Frame, Mark, Behind], None, None]:
    """Yield each frame with its mark, both made in a thread beforehand, and what is behind it."""
    read = 0

    def noted() -> Iterator[Frame]:
        nonlocal read
        source = iter(frames)
        while True:
            with stage("decode"):
                frame = next(source, None)
            if frame is None:
                return
            read = frame.index + 1
            yield frame

    def marked() -> Iterator[tuple[Frame, Mark, Behind]]:
        source = marker(noted())
        while True:
            with stage("shots"):
                one = next(source, None)
            if one is None:
                return
            yield *one, (marker.state(), read)

    return ahead(marked())
