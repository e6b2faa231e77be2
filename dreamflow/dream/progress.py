"""A dream followed step by step, by whoever shows how it gets on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import accumulate

_step_callback: ContextVar[Callable[[], None] | None] = ContextVar("follower", default=None)


@contextmanager
def call_on_step(callback: Callable[[], None]) -> Iterator[None]:
    """Call a function after each step of what is dreamed in a `with` block, by this thread."""
    before = _step_callback.set(callback)
    try:
        yield
    finally:
        _step_callback.reset(before)


def tick() -> None:
    """Tell whoever follows that a step is done."""
    if (step := _step_callback.get()) is not None:
        step()


class StepCounter:
    """Counts steps in parts, of which it is known about how many each has.

    A part that takes more of them stands still at its end, and one that takes fewer jumps there.
    """

    def __init__(self, parts: Sequence[int], progress: Callable[[int], None]) -> None:
        """Begin at none. progress: called with all steps done so far."""
        self.parts_done = self.steps_done = 0
        self._ends, self._progress = [0, *accumulate(parts)], progress

    def step(self) -> None:
        """Count a step."""
        if self.steps_done < self._ends[min(self.parts_done + 1, len(self._ends) - 1)]:
            self.steps_done += 1
            self._progress(self.steps_done)

    def finish_parts(self, parts: int) -> None:
        """Count so many parts as done."""
        self.parts_done = min(parts, len(self._ends) - 1)
        self.steps_done = self._ends[self.parts_done]
        self._progress(self.steps_done)


class FrameProgress:
    """Tells how many frames are done, and the share of the one under way, by its steps."""

    MAX_UNFINISHED_SHARE = 0.95
    """A frame that takes more steps than expected stands still here."""

    def __init__(
        self,
        progress: Callable[[float, int | None], None],
        first_frame_steps: int,
        later_frame_steps: int,
    ) -> None:
        """Begin at none. first, later: about how many steps a frame takes, a shot's first too."""
        self._progress, self._first, self._later = (
            progress,
            max(1, first_frame_steps),
            max(1, later_frame_steps),
        )
        self._done = self._steps = 0

    def step(self) -> None:
        """Count a step of the frame under way."""
        self._steps += 1
        whole = self._later if self._done else self._first
        self._progress(self._done + min(self.MAX_UNFINISHED_SHARE, self._steps / whole), None)

    def finish_frames(self, done: int, total: int) -> None:
        """Count so many frames as done, of so many."""
        self._done, self._steps = done, 0
        self._progress(done, total)
