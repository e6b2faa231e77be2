"""A clip dreamed as a loop: its end leads into its beginning."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from dreamflow.core.errors import LoopSeamWarning, SettingsError, named
from dreamflow.core.files.documents import Count, DocumentError, fit_schema
from dreamflow.core.frames import Frame
from dreamflow.pipelines.pipeline import FramesFrom, PipelineState, check_frame_picture
from dreamflow.pipelines.video.carry_over_frames import VideoDreamer
from dreamflow.pipelines.video.marked_frames import DetectorSnapshot, MarkedFrame, mark_frames
from dreamflow.pipelines.video.two_pass import dream_frames
from dreamflow.temporal.shots import Mark, Marker, is_same_shot, make_signature

LOOP_BLEND_S = 1.0
"""Duration of the cross-fade from the second round into the first; at most half of the clip."""
UNLIMITED_FILES = 2**53
"""More files than there are: both rounds depend on all pictures of a clip."""


@dataclass(frozen=True)
class LoopState:
    """What a loop goes on from.

    Attributes:
        done: Frames dreamed, in both rounds.
        count: Frames of a round; None within the first.
        ending: Times in seconds and dreams of the first round's last second.
        begun: uint8 (H, W, 3), source of the first frame.
        last: Source of the first round's last frame so far.
        dreamer: State of the dreamer.
        marker: State of the detector of cuts and flashes.
    """

    done: Count
    count: Count | None
    ending: list[tuple[Fraction, np.ndarray]]
    begun: np.ndarray | None
    last: np.ndarray | None
    dreamer: PipelineState
    marker: PipelineState


class LoopPipeline:
    """Dreams the frames of a clip so that the last one leads into the first.

    The clip is dreamed twice round. The second round begins with what the first one ended with, and
    over its last second cross-fades into the first round: so its very last frame is the one that
    its first came from. Only the second round is shown.
    """

    def __init__(
        self,
        frames_from: FramesFrom,
        frame_count: int,
        dreamer: VideoDreamer,
        new_detector: Callable[[], Marker],
        postprocess: Callable[[Frame], Frame] = lambda dreamed: dreamed,
    ) -> None:
        """Take what it is made of.

        Args:
            frames_from: Gives the frames from a number on.
            frame_count: How many there are, as far as is known.
            dreamer: Dreams them.
            new_detector: Makes a detector of cuts and flashes, one a round.
            postprocess: Applied last to each dream that is shown.
        """
        self.done, self.total = 0, 2 * frame_count
        self._frames_from, self._dreamer = frames_from, dreamer
        self._new_detector, self._detector = new_detector, new_detector()
        self._postprocess = postprocess
        self._snapshots: deque[DetectorSnapshot] = deque()
        self._detector_state = self._detector.state()
        self._round_frames: int | None = None
        self._first_round_end: deque[tuple[Fraction, np.ndarray]] = deque()
        self._first_source: np.ndarray | None = None
        self._last_source: np.ndarray | None = None

    def __iter__(self) -> Iterator[Frame | None]:
        """Yield None for each frame of the first round, then the dreams of the second.

        Raises:
            SettingsError: The clip has no frame.
        """
        if self._round_frames is None:
            yield from self._dream_first_round()
        yield from self._dream_second_round()
        self._dreamer.finish()

    def _dream_first_round(self) -> Iterator[None]:
        for dreamed in dream_frames(self._read_frames(self.done), self._dreamer):
            if self._first_source is None:
                self._first_source = dreamed.source
            self._last_source = dreamed.source
            self._first_round_end.append((dreamed.time, dreamed.picture))
            while dreamed.time - self._first_round_end[0][0] >= LOOP_BLEND_S:
                self._first_round_end.popleft()
            self._advance()
            yield None
        self._round_frames, self._detector = self.done, self._new_detector()
        self._detector_state = self._detector.state()

    def _read_frames(self, start: int, follows_last: bool = False) -> Iterator[MarkedFrame]:
        """Yield the marked frames from a number on; the first may follow the clip's last one."""
        self._snapshots.clear()
        frames = self._frames_from(start)
        for frame, mark, snapshot in mark_frames(
            frames, self._detector, self._dreamer.controls.stage_times
        ):
            self._snapshots.append(snapshot)
            yield frame, Mark.SAME if follows_last else mark
            follows_last = False

    def _advance(self) -> None:
        self.done += 1
        self._detector_state, _ = self._snapshots.popleft()

    def _dream_second_round(self) -> Iterator[Frame]:
        count = self._round_frames
        if count is None or self._first_source is None or self._last_source is None:
            raise SettingsError("there is no frame to dream")
        signatures = make_signature(self._last_source), make_signature(self._first_source)
        closes = is_same_shot(*signatures)
        if not closes and self.done == count:
            warnings.warn(
                "the clip's last frame does not lead into its first, so the dream cannot loop "
                "either",
                LoopSeamWarning,
                2,
            )
        blended = min(len(self._first_round_end), count // 2) if closes else 0
        pictures = [picture for _, picture in self._first_round_end]
        first_round = pictures[len(pictures) - blended :]
        follows_last = self.done == count and closes
        frames = self._read_frames(self.done - count, follows_last)
        for dreamed in dream_frames(frames, self._dreamer):
            position = self.done - count - (count - blended)
            if 0 <= position < blended:
                if dreamed.picture.shape != first_round[position].shape:
                    raise SettingsError(
                        "the first round of the loop was dreamed in another size: start over with "
                        f"{named('fresh')}",
                        setting="fresh",
                    )
                dreamed = _blend(dreamed, first_round[position], (position + 1) / blended)
            self._advance()
            yield self._postprocess(dreamed)

    def state(self) -> PipelineState:
        """Return what is needed to go on."""
        return {
            "done": self.done,
            "count": self._round_frames,
            "read": UNLIMITED_FILES,
            "ending": list(self._first_round_end),
            "begun": self._first_source,
            "last": self._last_source,
            "dreamer": self._dreamer.state(),
            "marker": self._detector_state,
        }

    def restore(self, state: PipelineState) -> None:
        """Go on from a state."""
        saved = fit_schema(state, LoopState)
        pictures = [picture for _, picture in saved.ending]
        pictures += [picture for picture in (saved.begun, saved.last) if picture is not None]
        if len({check_frame_picture(picture) for picture in pictures}) > 1:
            raise DocumentError("its pictures have more than one size")
        if saved.count is not None and not (0 < saved.count <= saved.done <= 2 * saved.count):
            raise DocumentError("its frames are more than those of two rounds")
        self.done, self._round_frames = saved.done, saved.count
        self._first_round_end = deque(saved.ending)
        self._first_source, self._last_source = saved.begun, saved.last
        self._dreamer.restore(saved.dreamer)
        self._detector_state = saved.marker
        self._detector.restore(self._detector_state)


def _blend(dreamed: Frame, picture: np.ndarray, share: float) -> Frame:
    """Return a dreamed frame mixed with another dream of it, uint8, that has a share of 0 to 1."""
    mixed = dreamed.picture * (1 - share) + picture * np.float32(share)
    residual = dreamed.residual
    if residual is not None and dreamed.source is not None:
        other = (picture.astype(np.float32) - dreamed.source) / 255
        residual = residual * np.float32(1 - share) + other * np.float32(share)
    return replace(dreamed, picture=np.rint(mixed).astype(np.uint8), residual=residual)
