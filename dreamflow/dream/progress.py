"""Progress within a dream, step by step, for what shows it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate

StepCallback = Callable[[], None]
"""Called after each step of gradient ascent, by the thread that dreams."""


class StepCounter:
    """Counts steps in parts of which the approximate number of steps is known.

    A part with more steps than expected stays at its end; one with fewer jumps there.
    """

    def __init__(self, parts: Sequence[int], progress: Callable[[int], None]) -> None:
        """Start at no steps.

        Args:
            parts: Expected steps of each part.
            progress: Called with the total number of steps done so far.
        """
        self.parts_done = self.steps_done = 0
        self._part_ends, self._progress = [0, *accumulate(parts)], progress

    def step(self) -> None:
        """Count a step."""
        if self.steps_done < self._part_ends[min(self.parts_done + 1, len(self._part_ends) - 1)]:
            self.steps_done += 1
            self._progress(self.steps_done)

    def finish_parts(self, parts: int) -> None:
        """Count the first `parts` parts as done."""
        self.parts_done = min(parts, len(self._part_ends) - 1)
        self.steps_done = self._part_ends[self.parts_done]
        self._progress(self.steps_done)


class FrameProgress:
    """Reports the number of frames done, with the fraction of the current frame's steps."""

    MAX_UNFINISHED_SHARE = 0.95
    """Largest fraction reported for a frame that is not done, which may take more steps."""

    def __init__(
        self,
        progress: Callable[[float, int | None], None],
        first_frame_steps: int,
        later_frame_steps: int,
    ) -> None:
        """Start at no frames.

        Args:
            progress: Called with (frames done, frames in all); the second is None after a step.
            first_frame_steps: Expected steps of the first frame.
            later_frame_steps: Expected steps of each later frame.
        """
        self._progress = progress
        self._first_steps = max(1, first_frame_steps)
        self._later_steps = max(1, later_frame_steps)
        self._frames_done = self._steps = 0

    def step(self) -> None:
        """Count a step of the current frame."""
        self._steps += 1
        expected = self._later_steps if self._frames_done else self._first_steps
        share = min(self.MAX_UNFINISHED_SHARE, self._steps / expected)
        self._progress(self._frames_done + share, None)

    def finish_frames(self, done: int, total: int) -> None:
        """Count `done` of `total` frames as done."""
        self._frames_done, self._steps = done, 0
        self._progress(done, total)
