"""A clip dreamed frame by frame, the dream carried along the motion of the scene."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from dreamflow.core.files.documents import Count, fit_schema
from dreamflow.core.frames import Frame
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.cut_list import read_cut_list
from dreamflow.media.read.mattes.matte import Matte
from dreamflow.networks.network import Network
from dreamflow.pipelines.compositor import (
    Compositor,
    CroppedDetector,
    get_matte_box,
    make_matte_lookup,
)
from dreamflow.pipelines.dreamer_controls import DreamerControls
from dreamflow.pipelines.pipeline import FramesFrom, Pipeline, PipelineState
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.video.carry_over_frames import VideoDreamer
from dreamflow.pipelines.video.loop import LoopPipeline
from dreamflow.pipelines.video.marked_frames import DetectorSnapshot, MarkedFrame, mark_frames
from dreamflow.pipelines.video.shards import GivenMarks, Shard
from dreamflow.pipelines.video.two_pass import dream_in_passes
from dreamflow.temporal.options import CarryOptions
from dreamflow.temporal.shots import GivenCuts, Marker, ShotFinder


@dataclass(frozen=True)
class VideoState:
    """What a pipeline of a clip goes on from.

    Attributes:
        done: Frames dreamed.
        total: Frames to be dreamed, as far as is known.
        shown: Frames dreamed that are not dreamed unseen, those of a run-in among them.
        dreamer: State of the dreamer.
        marker: State of the detector of cuts and flashes.
    """

    done: Count
    total: Count
    shown: Count
    dreamer: PipelineState
    marker: PipelineState


class VideoPipeline:
    """Dreams the frames of a clip once through, in one pass or in two."""

    def __init__(
        self,
        frames_from: FramesFrom,
        frame_count: int,
        dreamer: VideoDreamer,
        detector: Marker,
        postprocess: Callable[[Frame], Frame] = lambda dreamed: dreamed,
        *,
        in_thread: bool = True,
        run_in: int = 0,
    ) -> None:
        """Take what it is made of.

        Args:
            frames_from: Gives the frames from a number on.
            frame_count: How many there are, as far as is known.
            dreamer: Dreams them.
            detector: Marks cuts and flashes.
            postprocess: Applied to each dreamed frame last.
            in_thread: Whether frames are read and marked ahead, in a thread of their own.
            run_in: How many frames at the beginning are dreamed and not shown.
        """
        self.done, self.total, self._run_in = 0, frame_count, run_in
        self._frames_from, self._dreamer, self._detector = frames_from, dreamer, detector
        self._postprocess, self._in_thread = postprocess, in_thread
        self._shown_frames = 0
        self._state = self._make_state(detector.state(), 0)

    def __iter__(self) -> Generator[Frame | None, None, None]:
        """Yield the dreams still to come, and None for each frame that is dreamed unseen."""
        snapshots: deque[DetectorSnapshot] = deque()
        known = self.total

        def marked() -> Iterator[MarkedFrame]:
            frames = self._frames_from(self._shown_frames)
            for frame, mark, snapshot in mark_frames(
                frames,
                self._detector,
                self._dreamer.controls.stage_times,
                in_thread=self._in_thread,
            ):
                snapshots.append(snapshot)
                yield frame, mark

        def count_unseen(_: int, unseen: int) -> None:
            self.total = known + unseen

        for dreamed in dream_in_passes(marked(), self._dreamer, count_unseen):
            self.done += 1
            if dreamed is None:
                yield None
                continue
            self._shown_frames += 1
            self._state = self._make_state(*snapshots.popleft())
            yield None if self._shown_frames <= self._run_in else self._postprocess(dreamed)
        self._dreamer.finish()

    def _make_state(self, detector_state: PipelineState, read_frames: int) -> PipelineState:
        return {
            "done": self.done,
            "total": self.total,
            "shown": self._shown_frames,
            "read": read_frames,
            "dreamer": self._dreamer.state(),
            "marker": detector_state,
        }

    def state(self) -> PipelineState:
        """Return what is needed to go on after the last dream that was shown.

        What was dreamed unseen since then is dreamed again.
        """
        return self._state

    def restore(self, state: PipelineState) -> None:
        """Go on from a state."""
        begun = fit_schema(state, VideoState)
        self.done, self.total, self._shown_frames = begun.done, begun.total, begun.shown
        self._dreamer.restore(begun.dreamer)
        self._detector.restore(begun.marker)
        self._state = state


def make_detector(carry: CarryOptions, cuts: Sequence[Fraction] | None) -> Marker:
    """Return what marks a clip's cuts and flashes, as the settings ask for."""
    if cuts is None and carry.carry and carry.cuts != "none":
        return ShotFinder()
    return GivenCuts(cuts or ())


def build_pipeline(
    clip: Clip,
    dreamer: VideoDreamer,
    compositor: Compositor,
    new_detector: Callable[[], Marker],
) -> Pipeline:
    """Return the pipeline of a clip: once through, or as a loop."""
    if dreamer.carry.loop:
        return LoopPipeline(clip.frames_from, len(clip), dreamer, new_detector, compositor)
    return VideoPipeline(clip.frames_from, len(clip), dreamer, new_detector(), compositor)


def build_video_pipeline(
    clip: Clip,
    network: Network,
    settings: VideoSettings,
    matte: Matte | None = None,
    controls: DreamerControls | None = None,
) -> Pipeline:
    """Return the pipeline of a clip with all its settings.

    Args:
        clip: The clip, opened with `settings.clip`.
        network: Dreams, on its own device.
        settings: All settings; channels are picked already.
        matte: Where the dream is shown, if not everywhere.
        controls: Constants of the temporal step, and callbacks.

    Raises:
        SettingsError: A setting does not fit the clip or the network.
    """
    carry, box = settings.carry, get_matte_box(matte, settings.carry)
    cuts = read_cut_list(clip, carry.cuts)
    compositor = Compositor(settings.show, clip.timeline, make_matte_lookup(matte), box)
    dreamer = VideoDreamer(network, settings.dream, carry, clip.timeline, controls)
    return build_pipeline(
        clip, dreamer, compositor, lambda: CroppedDetector(make_detector(carry, cuts), box)
    )


def build_shard_pipeline(
    clip: Clip,
    network: Network,
    settings: VideoSettings,
    shard: Shard,
    matte: Matte | None = None,
    controls: DreamerControls | None = None,
    frames_from: FramesFrom | None = None,
) -> Pipeline:
    """Return the pipeline of a shard: its frames are dreamed as within the whole clip.

    Args:
        clip: The whole clip, opened with `settings.clip`.
        network: Dreams, on its own device.
        settings: All settings; channels are picked already.
        shard: Which frames.
        matte: Where the dream is shown, if not everywhere.
        controls: Constants of the temporal step, and callbacks.
        frames_from: Gives the clip's frames from a number on; None decodes anew each time.

    Raises:
        SettingsError: A setting does not fit the clip or the network.
    """
    box = get_matte_box(matte, settings.carry)
    compositor = Compositor(settings.show, clip.timeline, make_matte_lookup(matte), box)
    dreamer = VideoDreamer(network, settings.dream, settings.carry, clip.timeline, controls)
    detector = CroppedDetector(GivenMarks(shard), box)
    frames_of_shard = shard.frames_of(frames_from or clip.frames_from)
    count = shard.run_in + shard.frames
    return VideoPipeline(frames_of_shard, count, dreamer, detector, compositor, run_in=shard.run_in)
