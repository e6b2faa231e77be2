"""Frames that are there already, shown backwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np

from dreamflow.frames import Frame
from dreamflow.journeys.journey import State


class BackwardsJourney:
    """Shows pictures from the last to the first; a Journey."""

    def __init__(self, picture: Callable[[int], np.ndarray], count: int, rate: Fraction) -> None:
        """Make ready. picture: gives one by its number, uint8 (H, W, 3) RGB; rate: per second."""
        self.done, self.total = 0, count
        self._picture, self._rate = picture, rate

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames still to come, with the numbers and times at which they are shown."""
        while self.done < self.total:
            number = self.done
            frame = Frame(number, number / self._rate, self._picture(self.total - 1 - number))
            self.done += 1
            yield frame

    def state(self) -> State:
        """Return what is needed to go on."""
        return {"done": self.done}

    def restore(self, state: State) -> None:
        """Go on from a state."""
        self.done = state["done"]
