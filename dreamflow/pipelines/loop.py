"""A clip dreamed as a loop: its end leads into its beginning."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from dreamflow.core.errors import DreamFlowWarning, SettingsError
from dreamflow.core.frames import Frame
from dreamflow.pipelines.marked_frames import DetectorSnapshot, MarkedFrame, prefetch_marked_frames
from dreamflow.pipelines.pipeline import FramesFrom, PipelineState
from dreamflow.pipelines.two_pass import dream_frames
from dreamflow.pipelines.video import VideoDreamer
from dreamflow.temporal.shots import Mark, Marker, look_at, related

LOOP_BLEND_FRAMES = 24
"""The last frames, over which the second round passes into the first; at most half of the clip."""
UNLIMITED_FILES = 2**53
"""More files than there are: both rounds go by all pictures of a clip."""


class LoopPipeline:
    """Dreams the frames of a clip so that the last one leads into the first; a Journey.

    The clip is dreamed twice round. The second round begins with what the first one ended with,
    and over its last frames passes into the first round's: so its very last frame is the one that
    its first came from. Only the second one is shown.
    """

    def __init__(
        self,
        frames_from: FramesFrom,
        frame_count: int,
        dreamer: VideoDreamer,
        new_detector: Callable[[], Marker],
        postprocess: Callable[[Frame], Frame] = lambda dreamed: dreamed,
    ) -> None:
        """Make ready. count: of the frames, as far as is known. new_marker: makes one a round.

        touch: the last, to each dream that is shown.
        """
        self.done, self.total = 0, 2 * frame_count
        self._frames_from, self._dreamer = frames_from, dreamer
        self._new_detector, self._detector = new_detector, new_detector()
        self._postprocess = postprocess
        self._pending_snapshots: deque[DetectorSnapshot] = deque()
        self._detector_state = self._detector.state()
        self._round_frames: int | None = None
        self._first_round_ending: deque[np.ndarray] = deque(maxlen=LOOP_BLEND_FRAMES)
        self._first_source: np.ndarray | None = None
        self._last_source: np.ndarray | None = None

    def __iter__(self) -> Iterator[Frame | None]:
        """Yield None for each frame of the first round, then the dreams of the second.

        Raises SettingsError for an empty clip.
        """
        if self._round_frames is None:
            yield from self._first_round()
        yield from self._second_round()

    def _first_round(self) -> Iterator[None]:
        for dreamed in dream_frames(self._read_marked_frames(self.done), self._dreamer):
            self._first_source = (
                dreamed.source if self._first_source is None else self._first_source
            )
            self._last_source = dreamed.source
            self._first_round_ending.append(dreamed.picture)
            self._advance()
            yield None
        self._round_frames, self._detector = self.done, self._new_detector()
        self._detector_state = self._detector.state()

    def _read_marked_frames(self, start: int, follows_last: bool = False) -> Iterator[MarkedFrame]:
        """Yield the frames from a number on; joined: the first one goes on from the last."""
        self._pending_snapshots.clear()
        for frame, mark, behind in prefetch_marked_frames(self._frames_from(start), self._detector):
            self._pending_snapshots.append(behind)
            yield frame, Mark.SAME if follows_last else mark
            follows_last = False

    def _advance(self) -> None:
        self.done += 1
        self._detector_state, _ = self._pending_snapshots.popleft()

    def _second_round(self) -> Iterator[Frame]:
        count = self._round_frames
        if count is None or self._first_source is None or self._last_source is None:
            raise SettingsError("there is no frame to dream")
        closes = related(look_at(self._last_source), look_at(self._first_source))
        if not closes and self.done == count:
            warnings.warn(
                "the clip's last frame does not lead into its first, so the dream cannot loop "
                "either",
                DreamFlowWarning,
                2,
            )
        blended = min(len(self._first_round_ending), count // 2) if closes else 0
        first_round = list(self._first_round_ending)[len(self._first_round_ending) - blended :]
        joined = self.done == count and closes
        for dreamed in dream_frames(
            self._read_marked_frames(self.done - count, joined), self._dreamer
        ):
            into = self.done - count - (count - blended)
            if 0 <= into < blended:
                share = (into + 1) / blended
                mixed = dreamed.picture * (1 - share) + first_round[into] * np.float32(share)
                dreamed = replace(dreamed, picture=np.rint(mixed).astype(np.uint8))
            self._advance()
            yield self._postprocess(dreamed)

    def state(self) -> PipelineState:
        """Return what is needed to go on."""
        return {
            "done": self.done,
            "count": self._round_frames,
            "read": UNLIMITED_FILES,
            "ending": list(self._first_round_ending),
            "begun": self._first_source,
            "last": self._last_source,
            "dreamer": self._dreamer.state(),
            "marker": self._detector_state,
        }

    def restore(self, state: PipelineState) -> None:
        """Go on from a state."""
        self.done, self._round_frames = state["done"], state["count"]
        self._first_round_ending = deque(state["ending"], maxlen=LOOP_BLEND_FRAMES)
        self._first_source, self._last_source = state["begun"], state["last"]
        self._dreamer.restore(state["dreamer"])
        self._detector_state = state["marker"]
        self._detector.restore(self._detector_state)
