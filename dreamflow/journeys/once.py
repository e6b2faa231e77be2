"""A clip dreamed once through, in a way that can be broken off and taken up again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dreamflow.frames import Frame
from dreamflow.journeys.journey import FramesFrom, State
from dreamflow.journeys.video import VideoDreamer
from dreamflow.motion import Marker


class ClipJourney:
    """Dreams the frames of a clip, each once; a Journey."""

    def __init__(
        self,
        frames: FramesFrom,
        count: int,
        dreamer: VideoDreamer,
        marker: Marker,
        touch: Callable[[Frame], Frame] = lambda dreamed: dreamed,
    ) -> None:
        """Make ready. count: of the frames, as far as is known. touch: the last, to each dream."""
        self.done, self.total = 0, count
        self._frames, self._dreamer, self._marker = frames, dreamer, marker
        self._touch = touch

    def __iter__(self) -> Iterator[Frame]:
        """Yield the dreams still to come."""
        for frame, mark in self._marker(self._frames(self.done)):
            dreamed = self._dreamer(frame, mark)
            self.done += 1
            yield self._touch(dreamed)

    def state(self) -> State:
        """Return what is needed to go on."""
        return {
            "done": self.done,
            "dreamer": self._dreamer.state(),
            "marker": self._marker.state(),
        }

    def restore(self, state: State) -> None:
        """Go on from a state."""
        self.done = state["done"]
        self._dreamer.restore(state["dreamer"])
        self._marker.restore(state["marker"])
