"""A clip dreamed as a loop: its end leads into its beginning."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from dreamflow.errors import DreamFlowWarning, SettingsError
from dreamflow.frames import Frame
from dreamflow.journeys.journey import FramesFrom, State
from dreamflow.journeys.passes import dreams
from dreamflow.journeys.reading import Behind, Marked, marked_ahead
from dreamflow.journeys.video import VideoDreamer
from dreamflow.motion import Mark, Marker
from dreamflow.motion.shots import look_at, related

BLEND_FRAMES = 24
"""The last frames, over which the second round passes into the first; at most half of the clip."""
ALL = 2**53
"""More files than there are: both rounds go by all pictures of a clip."""


class LoopJourney:
    """Dreams the frames of a clip so that the last one leads into the first; a Journey.

    The clip is dreamed twice round. The second round begins with what the first one ended with,
    and over its last frames passes into the first round's: so its very last frame is the one that
    its first came from. Only the second one is shown.
    """

    def __init__(
        self,
        frames: FramesFrom,
        count: int,
        dreamer: VideoDreamer,
        new_marker: Callable[[], Marker],
        touch: Callable[[Frame], Frame] = lambda dreamed: dreamed,
    ) -> None:
        """Make ready. count: of the frames, as far as is known. new_marker: makes one a round.

        touch: the last, to each dream that is shown.
        """
        self.done, self.total = 0, 2 * count
        self._frames, self._dreamer = frames, dreamer
        self._new_marker, self._marker = new_marker, new_marker()
        self._touch = touch
        self._given: deque[Behind] = deque()
        self._behind = self._marker.state()
        self._count: int | None = None
        self._ending: deque[np.ndarray] = deque(maxlen=BLEND_FRAMES)
        self._begun: np.ndarray | None = None
        self._last: np.ndarray | None = None

    def __iter__(self) -> Iterator[Frame | None]:
        """Yield None for each frame of the first round, then the dreams of the second.

        Raises SettingsError for an empty clip.
        """
        if self._count is None:
            yield from self._first_round()
        yield from self._second_round()

    def _first_round(self) -> Iterator[None]:
        for dreamed in dreams(self._marked(self.done), self._dreamer):
            self._begun = dreamed.source if self._begun is None else self._begun
            self._last = dreamed.source
            self._ending.append(dreamed.picture)
            self._step()
            yield None
        self._count, self._marker = self.done, self._new_marker()
        self._behind = self._marker.state()

    def _marked(self, start: int, joined: bool = False) -> Iterator[Marked]:
        """Yield the frames from a number on; joined: the first one goes on from the last."""
        self._given.clear()
        for frame, mark, behind in marked_ahead(self._frames(start), self._marker):
            self._given.append(behind)
            yield frame, Mark.SAME if joined else mark
            joined = False

    def _step(self) -> None:
        self.done += 1
        self._behind, _ = self._given.popleft()

    def _second_round(self) -> Iterator[Frame]:
        count = self._count
        if count is None or self._begun is None or self._last is None:
            raise SettingsError("there is no frame to dream")
        closes = related(look_at(self._last), look_at(self._begun))
        if not closes and self.done == count:
            warnings.warn(
                "the clip's last frame does not lead into its first, so the dream cannot loop "
                "either",
                DreamFlowWarning,
                2,
            )
        blended = min(len(self._ending), count // 2) if closes else 0
        first_round = list(self._ending)[len(self._ending) - blended :]
        joined = self.done == count and closes
        for dreamed in dreams(self._marked(self.done - count, joined), self._dreamer):
            into = self.done - count - (count - blended)
            if 0 <= into < blended:
                share = (into + 1) / blended
                mixed = dreamed.picture * (1 - share) + first_round[into] * np.float32(share)
                dreamed = replace(dreamed, picture=np.rint(mixed).astype(np.uint8))
            self._step()
            yield self._touch(dreamed)

    def state(self) -> State:
        """Return what is needed to go on."""
        return {
            "done": self.done,
            "count": self._count,
            "read": ALL,
            "ending": list(self._ending),
            "begun": self._begun,
            "last": self._last,
            "dreamer": self._dreamer.state(),
            "marker": self._behind,
        }

    def restore(self, state: State) -> None:
        """Go on from a state."""
        self.done, self._count = state["done"], state["count"]
        self._ending = deque(state["ending"], maxlen=BLEND_FRAMES)
        self._begun, self._last = state["begun"], state["last"]
        self._dreamer.restore(state["dreamer"])
        self._behind = state["marker"]
        self._marker.restore(self._behind)
