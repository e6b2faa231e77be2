"""A clip dreamed once through, in a way that can be broken off and taken up again."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from dreamflow.core.frames import Frame
from dreamflow.pipelines.marked_frames import DetectorSnapshot, MarkedFrame, prefetch_marked_frames
from dreamflow.pipelines.pipeline import FramesFrom, PipelineState
from dreamflow.pipelines.two_pass import dream_in_passes
from dreamflow.pipelines.video import VideoDreamer
from dreamflow.temporal.shots import Marker


class VideoPipeline:
    """Dreams the frames of a clip once through, in one pass or in two; a Journey."""

    def __init__(
        self,
        frames_from: FramesFrom,
        frame_count: int,
        dreamer: VideoDreamer,
        detector: Marker,
        postprocess: Callable[[Frame], Frame] = lambda dreamed: dreamed,
    ) -> None:
        """Make ready. count: of the frames, as far as is known. touch: the last, to each dream."""
        self.done, self.total = 0, frame_count
        self._frames_from, self._dreamer, self._detector = frames_from, dreamer, detector
        self._postprocess = postprocess
        self._yielded_frames = 0
        self._state = self._make_state(detector.state(), 0)

    def __iter__(self) -> Iterator[Frame | None]:
        """Yield the dreams still to come, and None for what is dreamed unseen."""
        given: deque[DetectorSnapshot] = deque()
        total = self.total

        def marked() -> Iterator[MarkedFrame]:
            for frame, mark, behind in prefetch_marked_frames(
                self._frames_from(self._yielded_frames), self._detector
            ):
                given.append(behind)
                yield frame, mark

        def unseen(done: int, known: int) -> None:
            self.total = total + known

        for dreamed in dream_in_passes(marked(), self._dreamer, unseen):
            self.done += 1
            if dreamed is None:
                yield None
                continue
            self._yielded_frames += 1
            self._state = self._make_state(*given.popleft())
            yield self._postprocess(dreamed)

    def _make_state(self, marker: PipelineState, read: int) -> PipelineState:
        return {
            "done": self.done,
            "total": self.total,
            "shown": self._yielded_frames,
            "read": read,
            "dreamer": self._dreamer.state(),
            "marker": marker,
        }

    def state(self) -> PipelineState:
        """Return what is needed to go on after the last dream that was shown.

        What was dreamed unseen since then is dreamed again.
        """
        return self._state

    def restore(self, state: PipelineState) -> None:
        """Go on from a state."""
        self.done, self.total, self._yielded_frames = state["done"], state["total"], state["shown"]
        self._dreamer.restore(state["dreamer"])
        self._detector.restore(state["marker"])
        self._state = state
