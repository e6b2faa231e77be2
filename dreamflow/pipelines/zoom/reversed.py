"""Rendered frames played from the last to the first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np

from dreamflow.core.frames import Frame
from dreamflow.pipelines.pipeline import PipelineState


class ReversedPlayback:
    """A pipeline that yields existing pictures from the last to the first."""

    def __init__(
        self, read_picture: Callable[[int], np.ndarray], count: int, rate: Fraction
    ) -> None:
        """Begin at the last picture.

        Args:
            read_picture: Returns a picture by its number, uint8 (H, W, 3) RGB.
            count: Number of pictures.
            rate: Frames per second.
        """
        self.done, self.total = 0, count
        self._read_picture, self._rate = read_picture, rate

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames still to come, numbered and timed as they are played."""
        while self.done < self.total:
            number = self.done
            frame = Frame(number, number / self._rate, self._read_picture(self.total - 1 - number))
            self.done += 1
            yield frame

    def state(self) -> PipelineState:
        """Return what is needed to continue."""
        return {"done": self.done}

    def restore(self, state: PipelineState) -> None:
        """Continue from a state."""
        self.done = state["done"]
