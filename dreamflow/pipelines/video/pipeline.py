"""A clip dreamed frame by frame, the dream carried along the motion of the scene."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from dreamflow.core.errors import SettingsError, named
from dreamflow.core.files.documents import Count, fit_schema
from dreamflow.core.frames import Frame
from dreamflow.core.schedules.timecode import Timeline
from dreamflow.dream.options import DreamOptions
from dreamflow.media.read.clip import Clip, open_clip
from dreamflow.media.read.cut_list import read_cut_list
from dreamflow.media.read.mattes.matte import Matte
from dreamflow.media.sound.options import SoundOptions
from dreamflow.networks.loading import as_network
from dreamflow.networks.network import Network
from dreamflow.pipelines.channel_choice import (
    apply_channel_picks,
    has_channel_picks,
    make_channel_picks,
)
from dreamflow.pipelines.compositor import (
    Compositor,
    CroppedDetector,
    get_matte_box,
    make_matte_lookup,
    make_sequential_matte_lookup,
    open_clip_matte,
)
from dreamflow.pipelines.dreamer_controls import DreamerControls
from dreamflow.pipelines.hearing import hear_once
from dreamflow.pipelines.pipeline import FramesFrom, Pipeline, PipelineState
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.keywords import KeywordSettings
from dreamflow.pipelines.settings.options import ShowOptions
from dreamflow.pipelines.video.carry_over_frames import VideoDreamer
from dreamflow.pipelines.video.loop import LoopPipeline
from dreamflow.pipelines.video.marked_frames import DetectorSnapshot, MarkedFrame, mark_frames
from dreamflow.pipelines.video.shards import GivenMarks, Shard
from dreamflow.pipelines.video.two_pass import dream_in_passes
from dreamflow.temporal.control.gains import Gains
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


def dream_video(
    frames: Iterable[Frame] | str | Path,
    network: Network | str | None = None,
    layer: str | Sequence[str] | None = None,
    options: DreamOptions | None = None,
    carry: CarryOptions | None = None,
    cuts: Sequence[Fraction] | None = None,
    timeline: Timeline | None = None,
    show: ShowOptions | None = None,
    mattes: Iterable[np.ndarray | Frame] | np.ndarray | None = None,
    *,
    gains: Gains | None = None,
    controls: DreamerControls | None = None,
    preset: str | None = None,
    **settings: Any,
) -> Iterator[Frame]:
    """Yield the dream of each frame of a clip, as it is finished.

    A few frames are held in memory, in two passes those of a second.

    Args:
        frames: Of one size, in order. A Clip is one, and is read ahead in a thread; a path is
            opened as a Clip.
        network: Dreams, on its own device; a name loads one, None the default.
        layer: A layer's name, or several as `NAME=WEIGHT`; None takes those of `options`.
        options: Settings of the dream.
        carry: How it is carried from frame to frame.
        cuts: Times at which new shots begin, in seconds; None finds them, unless `carry.cuts` is
            "none".
        timeline: What schedules count on; None takes that of a Clip, which hears the clip's sound.
        show: How much of the dream is shown; its matte file goes with a Clip.
        mattes: Where the dream is shown: an array for all frames or one for each, as `dream_image`
            takes them, or the frames of a Clip.
        gains: Constants of the temporal step; None is the defaults.
        controls: Callbacks, and gains where `gains` is None.
        preset: Name of a preset, or path of a .toml file: its settings override those of `options`,
            `carry` and `show`.
        **settings: Single settings of these three and of what is heard by name, such as
            `octaves=5` or `audio="song.flac"`; they override the preset.

    Yields:
        Frames with uint8 (H, W, 3) RGB pictures, their source beside them.

    Raises:
        SettingsError: A setting or layer is unknown, frames are too small for it, or a schedule or
            a matte does not fit.
        MediaError: The path cannot be opened.
    """
    given = KeywordSettings.read(
        "dream_video", preset, settings, DreamOptions, CarryOptions, ShowOptions, SoundOptions
    )
    options, carry, show = (
        given.over(options or DreamOptions()),
        given.over(carry or CarryOptions()),
        given.over(show or ShowOptions()),
    )
    network = as_network(network or options.network)
    frames = open_clip(frames) if isinstance(frames, (str, Path)) else frames
    if layer is not None:
        options = replace(options, layer=(layer,) if isinstance(layer, str) else tuple(layer))
    if mattes is not None and show.matte is not None:
        raise SettingsError(
            f"{named('mattes')} and the matte file of {named('show')} exclude each other",
            setting="mattes",
        )
    matte = open_clip_matte(frames, show)
    box = get_matte_box(matte, carry)
    lookup = make_matte_lookup(matte) if mattes is None else make_sequential_matte_lookup(mattes)
    clip = frames if isinstance(frames, Clip) else None
    if timeline is None and clip is not None:
        timeline = hear_once(clip, given.over(SoundOptions()), (options, carry, show)).timeline
    compositor = Compositor(show, timeline, lookup, box)
    options, frames = _pick_channels(options, network, frames)
    controls = controls or DreamerControls()
    controls = controls if gains is None else replace(controls, gains=gains)
    dreamer = VideoDreamer(network, options, carry, timeline, controls)

    def new_detector() -> Marker:
        return CroppedDetector(make_detector(carry, cuts), box)

    if clip is not None:
        pipeline = build_pipeline(clip, dreamer, compositor, new_detector)
    elif carry.loop:
        raise SettingsError(
            f"{named('loop')} goes twice through the frames: give a Clip", setting="loop"
        )
    else:
        stream = frames
        pipeline = VideoPipeline(
            lambda _: stream, 0, dreamer, new_detector(), compositor, in_thread=False
        )
    return (dreamed for dreamed in pipeline if dreamed is not None)


def _pick_channels(
    options: DreamOptions, network: Network, frames: Iterable[Frame]
) -> tuple[DreamOptions, Iterable[Frame]]:
    """Return settings with their channels picked by the first frame, and all of the frames."""
    if not has_channel_picks(options):
        return options, frames
    if isinstance(frames, Clip):
        picture = frames.first_picture()
    else:
        coming = iter(frames)
        first = list(islice(coming, 1))
        frames = chain(first, coming)
        if not first:
            return options, frames
        picture = first[0].picture
    return apply_channel_picks(options, make_channel_picks(options, network, picture)), frames
