"""Shards of a clip: parts that are dreamed by themselves, by any worker, in any order.

Nothing is carried over a cut, and randomness is keyed by the frame, so the shots of a clip dreamed
one by one are bit for bit the clip dreamed in one go. The cuts and flashes are found once, over the
whole clip: which frames belong together does not depend on who dreams them.

A long shot can be cut into spans, which are not: each begins with a dream of its own. It is dreamed
for a while before it is shown, until it is as strong as one that has been carried for long, and
then fades in over the end of the span before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Any

from dreamflow.core.files.documents import Count, fit_schema
from dreamflow.core.frames import Frame
from dreamflow.pipelines.pipeline import FramesFrom
from dreamflow.temporal.shots import Mark, Marker


@dataclass(frozen=True)
class Shard:
    """Frames of a clip that are dreamed by themselves; all numbers count the clip's frames from 0.

    Attributes:
        first: The first frame.
        stop: The frame after the last one.
        flashes: The frames that are flashes within their shot.
        run_in: How many frames before the first are dreamed, too, and thrown away.
    """

    first: int
    stop: int
    flashes: tuple[int, ...] = ()
    run_in: int = 0

    @property
    def frames(self) -> int:
        """How many frames are kept of it."""
        return self.stop - self.first

    @property
    def begin(self) -> int:
        """The first frame that is dreamed."""
        return self.first - self.run_in

    def frames_of(self, clip_frames_from: FramesFrom) -> FramesFrom:
        """Return what gives the frames that are dreamed, of what gives the clip's."""

        def frames_from(start: int) -> Iterator[Frame]:
            first = self.begin + start
            return islice(iter(clip_frames_from(first)), self.stop - first)

        return frames_from


@dataclass(frozen=True)
class GivenMarksState:
    """What `GivenMarks` goes on from: how many frames it has marked."""

    marked: Count


class GivenMarks:
    """Marks the frames of a shard as they were marked in the whole clip."""

    def __init__(self, shard: Shard) -> None:
        """Begin before the shard's first frame, which is a cut."""
        self._shard, self._marked = shard, 0
        self._flashes = frozenset(shard.flashes)

    def state(self) -> dict[str, Any]:
        """Return how many frames are marked."""
        return {"marked": self._marked}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state. Raises DocumentError where it is none of `state`'s."""
        self._marked = fit_schema(state, GivenMarksState).marked

    def __call__(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Mark]]:
        """Yield each frame with its mark."""
        for frame in frames:
            number = self._shard.begin + self._marked
            mark = Mark.FLASH if number in self._flashes else Mark.SAME
            self._marked += 1
            yield frame, Mark.CUT if number == self._shard.begin else mark


def find_shots(
    frames: Iterable[Frame], marker: Marker, progress: Callable[[int], None] = lambda done: None
) -> list[Shard]:
    """Return the shots of a clip, in order.

    Args:
        frames: All frames of the clip.
        marker: Marks its cuts and flashes.
        progress: Called with the number of frames looked at.
    """
    shots: list[Shard] = []
    first = number = 0
    flashes: list[int] = []
    for number, (_, mark) in enumerate(marker(frames), start=1):
        progress(number)
        if mark is Mark.FLASH:
            flashes.append(number - 1)
        if mark is Mark.CUT and number > 1:
            shots.append(Shard(first, number - 1, tuple(flashes)))
            first, flashes = number - 1, []
    return [*shots, Shard(first, number, tuple(flashes))] if number else []


def split_shots(shots: Iterable[Shard], frames: int) -> list[Shard]:
    """Return shots cut into pieces of at most so many frames, for where nothing is carried."""
    pieces: list[Shard] = []
    for shot in shots:
        for first in range(shot.first, shot.stop, frames):
            stop = min(first + frames, shot.stop)
            flashes = tuple(number for number in shot.flashes if first <= number < stop)
            pieces.append(Shard(first, stop, flashes))
    return pieces


def cut_into_spans(shots: Iterable[Shard], span_frames: int, run_in: int, fade: int) -> list[Shard]:
    """Return shots, the long ones cut into spans of about one length.

    Args:
        shots: The shots, in order.
        span_frames: How many frames a span has at most, without what it shares with the next.
        run_in: How many frames before it are dreamed first.
        fade: How many frames a span shares with the one before it.
    """
    spans: list[Shard] = []
    for shot in shots:
        count = max(1, -(-shot.frames // span_frames))
        borders = [shot.first + shot.frames * n // count for n in range(count + 1)]
        for first, stop in pairwise(borders):
            lead = min(run_in, first - shot.first)
            end = min(stop + fade, shot.stop) if stop < shot.stop else stop
            flashes = tuple(n for n in shot.flashes if first - lead <= n < end)
            spans.append(Shard(first, end, flashes, lead))
    return spans


class ForwardReader:
    """Gives a clip's frames from a number on, and goes on where it was left, if that is before.

    One worker renders shard after shard, mostly in order: each is read on from the last one, and
    the clip is decoded once, not from its beginning for each.
    """

    def __init__(self, frames_from: FramesFrom) -> None:
        self._frames_from = frames_from
        self._frames: Iterator[Frame] = iter(())
        self._position: int | None = None

    def __call__(self, start: int) -> Iterator[Frame]:
        """Yield the frames from number `start` on; what was yielded before must be at its end."""
        if self._position is None or start < self._position:
            self._frames, self._position = iter(self._frames_from(start)), start
        # What lies between is dropped by the iterator itself, which knows what it may leave out.
        for _ in range(start - self._position):
            next(self._frames, None)
        self._position = start
        for frame in self._frames:
            self._position += 1
            yield frame
