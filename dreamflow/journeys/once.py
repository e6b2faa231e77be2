"""A clip dreamed once through, in a way that can be broken off and taken up again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from dreamflow.frames import Frame
from dreamflow.journeys.journey import FramesFrom, State
from dreamflow.journeys.passes import dream_steps
from dreamflow.journeys.reading import Behind, Marked, marked_ahead
from dreamflow.journeys.video import VideoDreamer
from dreamflow.motion import Marker


class ClipJourney:
    """Dreams the frames of a clip once through, in one pass or in two; a Journey."""

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
        self._shown = 0
        self._state = self._behind(marker.state(), 0)

    def __iter__(self) -> Iterator[Frame | None]:
        """Yield the dreams still to come, and None for what is dreamed unseen."""
        given: deque[Behind] = deque()
        total = self.total

        def marked() -> Iterator[Marked]:
            for frame, mark, behind in marked_ahead(self._frames(self._shown), self._marker):
                given.append(behind)
                yield frame, mark

        def unseen(done: int, known: int) -> None:
            self.total = total + known

        for dreamed in dream_steps(marked(), self._dreamer, unseen):
            self.done += 1
            if dreamed is None:
                yield None
                continue
            self._shown += 1
            self._state = self._behind(*given.popleft())
            yield self._touch(dreamed)

    def _behind(self, marker: State, read: int) -> State:
        return {
            "done": self.done,
            "total": self.total,
            "shown": self._shown,
            "read": read,
            "dreamer": self._dreamer.state(),
            "marker": marker,
        }

    def state(self) -> State:
        """Return what is needed to go on after the last dream that was shown.

        What was dreamed unseen since then is dreamed again.
        """
        return self._state

    def restore(self, state: State) -> None:
        """Go on from a state."""
        self.done, self.total, self._shown = state["done"], state["total"], state["shown"]
        self._dreamer.restore(state["dreamer"])
        self._marker.restore(state["marker"])
        self._state = state
