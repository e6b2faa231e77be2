"""A sweep through the layers of a network: a picture or a clip, dreamed on one after another."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from dreamflow.core.errors import SettingsError, named
from dreamflow.core.frames import Frame
from dreamflow.dream.options import DreamOptions
from dreamflow.dream.progress import StepCallback
from dreamflow.media.depth.write import DeepOutput
from dreamflow.media.options import ClipOptions
from dreamflow.media.picture_input import PictureInput, as_picture
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.cut_list import read_cut_list
from dreamflow.media.read.frame_rate import DEFAULT_PICTURE_FOLDER_FPS, to_exact_rate
from dreamflow.media.read.mattes.matte import Matte, open_matte
from dreamflow.media.read.single_frame import read_still
from dreamflow.media.sound.options import SoundOptions
from dreamflow.media.stills.read import is_still, read_picture_size
from dreamflow.networks.loading import as_network
from dreamflow.networks.network import Layer, Network
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
)
from dreamflow.pipelines.dreamer_controls import DreamerControls
from dreamflow.pipelines.hearing import find_audio_length, hear_clip
from dreamflow.pipelines.inputs import (
    PICTURE_INPUT,
    InputFiles,
    list_audio_files,
    list_clip_files,
    list_matte_files,
    list_reference_files,
)
from dreamflow.pipelines.layer_choice import select_sweep_layers
from dreamflow.pipelines.pipeline import FramesFrom
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.keywords import KeywordSettings
from dreamflow.pipelines.settings.options import ShowOptions, SweepOptions
from dreamflow.pipelines.still_clip import StillClip, matte_target_of
from dreamflow.pipelines.sweep.caption import LayerCaptions
from dreamflow.pipelines.sweep.sweep_schedule import compute_sweep_times, format_sweep_schedule
from dreamflow.pipelines.video.carry_over_frames import VideoDreamer
from dreamflow.pipelines.video.pipeline import VideoPipeline, make_detector
from dreamflow.pipelines.video.shards import GivenMarks, Shard
from dreamflow.temporal.options import CarryOptions

MAX_SWEEP_SIDE_PX = 1280
"""A picture with a longer side is swept at this size, unless `size` is given."""
STILL_MIN_EFFORT = 1.0
"""Smallest effort on a picture: nothing but its dream moves, and held back it would stand still."""


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep shows.

    Attributes:
        source: The picture or clip that is dreamed.
        layers: Targets or blends, in order.
        schedule: When each is shown, as the text of a schedule of layers.
    """

    source: StillClip | Clip
    layers: tuple[str, ...]
    schedule: str


def plan_sweep(
    source: np.ndarray | Clip, layers: Sequence[str], sweep: SweepOptions, rate: Fraction
) -> SweepPlan:
    """Spread layers over a picture or a clip.

    Args:
        source: A picture, uint8 (H, W, 3) RGB, which is shown as long as the layers take; or a
            clip.
        layers: Targets or blends, in order.
        sweep: How long each is shown.
        rate: Frames per second of a picture's sweep.

    Raises:
        SettingsError: The lengths do not fit; see `compute_sweep_times`.
    """
    if isinstance(source, Clip):
        hold, fade = compute_sweep_times(len(layers), sweep, source.rate, source.length)
        shown: StillClip | Clip = source
    else:
        hold, fade = compute_sweep_times(len(layers), sweep, rate)
        length_s = len(layers) * hold + (len(layers) - 1) * fade
        shown = StillClip(source, rate, math.ceil(length_s * rate))
    return SweepPlan(shown, tuple(layers), format_sweep_schedule(layers, hold, fade))


def open_sweep(
    path: Path,
    options: ClipOptions,
    sweep: SweepOptions,
    network_name: str,
    layers_by_name: Mapping[str, Layer],
    sound: SoundOptions | None = None,
    output: DeepOutput | None = None,
) -> SweepPlan:
    """Open a picture or a clip, and spread layers over it.

    Args:
        path: The picture or clip.
        options: Which frames are taken, at what size and rate.
        sweep: Which layers are shown, and how long.
        network_name: Name of the network.
        layers_by_name: Its layers, shallow to deep.
        sound: The sound whose length a picture's sweep takes, if no length is given.
        output: The output, where that may keep the source's depth; None where 8 bits do.

    Raises:
        MediaError: The source or the sound cannot be read.
        SettingsError: The network lacks a layer, the lengths do not fit, a picture is given a
            span of frames, or there is no such colour space.
    """
    layers = select_sweep_layers(network_name, layers_by_name, sweep)
    if not is_still(path):
        clip = Clip(path, options, output)
        return plan_sweep(clip, layers, sweep, clip.rate)
    if options.start or options.end or options.every != ClipOptions.every:
        raise SettingsError(
            f"{path} is a picture: it has no {named('start')}, {named('end')} or {named('every')}",
            where=str(path),
        )
    if sound is not None and (sweep.hold, sweep.fade, sweep.seconds) == (None, None, None):
        sweep = replace(sweep, seconds=find_audio_length(sound))
    still = open_swept_picture(path, options, output)
    plan = plan_sweep(still.picture, layers, sweep, still.rate)
    return replace(plan, source=replace(still, frames=len(plan.source)))


def open_swept_picture(
    path: Path, options: ClipOptions, output: DeepOutput | None = None, frames: int = 1
) -> StillClip:
    """Return a picture as a sweep shows it.

    Args:
        path: The picture.
        options: Its size, its colour space, and the frames per second.
        output: The output, where that may keep the picture's depth; None where 8 bits do.
        frames: How many frames it is shown for.

    Raises:
        MediaError: It cannot be read.
    """
    rate = to_exact_rate(options.fps) if options.fps else DEFAULT_PICTURE_FOLDER_FPS
    width, height = read_picture_size(path)
    size = options.size or str(min(max(width, height), MAX_SWEEP_SIDE_PX))
    still = read_still(path, replace(options, size=size), output)
    shown = StillClip(still.proxy, rate, frames, path, (width, height))
    return replace(shown, original=still.original, samples=still.samples)


def open_sweep_matte(plan: SweepPlan, show: ShowOptions) -> Matte | None:
    """Return the matte of a sweep, None where the options name none; see `Matte` for its errors."""
    return open_matte(show, matte_target_of(plan.source))


def hear_sweep(plan: SweepPlan, settings: VideoSettings, kept_in: Path | None = None) -> SweepPlan:
    """Return a sweep whose schedules hear what they need; see `hear_clip`."""
    groups = (settings.dream, settings.carry, settings.show)
    source = plan.source
    if source.hearing is not None:
        return plan
    if isinstance(source, StillClip):
        return replace(plan, source=hear_clip(source, settings.sound, groups, kept_in))
    return replace(plan, source=hear_clip(source, settings.sound, groups, kept_in))


def list_sweep_files(
    plan: SweepPlan, settings: VideoSettings, matte: Matte | None = None
) -> InputFiles:
    """Return the files that a sweep depends on, by their inputs' names."""
    source = plan.source
    if isinstance(source, Clip):
        return list_clip_files(source, settings, matte)
    files = {PICTURE_INPUT: [source.path]} if source.path else {}
    files |= source.hearing.files if source.hearing else {}
    files |= list_audio_files(settings.sound)
    return files | list_reference_files(settings.dream) | list_matte_files(matte)


def build_sweep_pipeline(
    source: StillClip | Clip,
    network: Network,
    settings: VideoSettings,
    *,
    caption: bool = False,
    cuts: Sequence[Fraction] | None = None,
    matte: Matte | None = None,
    controls: DreamerControls | None = None,
    shard: Shard | None = None,
    frames_from: FramesFrom | None = None,
) -> VideoPipeline:
    """Return the pipeline of a sweep, or of a shard of it.

    Args:
        source: The picture or clip that is dreamed.
        network: The network, on its compute device.
        settings: Settings whose `dream.layer` is a plan's schedule, channels picked or not.
        caption: Whether the layer's name is written into the picture.
        cuts: Times in seconds at which shots of a clip begin; None takes what `carry.cuts` says.
        matte: Where the dream is shown; see `open_sweep_matte`.
        controls: Constants of the temporal step, and callbacks.
        shard: Which frames, dreamed as within the whole; None is all of them.
        frames_from: Gives the source's frames from a number on; None is the source itself.

    Raises:
        SettingsError: The network lacks a layer, or the source is too small for one.
    """
    carry, dream = settings.carry, settings.dream
    if has_channel_picks(dream):
        picks = make_channel_picks(dream, network, source.first_picture())
        dream = apply_channel_picks(dream, picks)
    if isinstance(source, StillClip):
        cuts = ()
    elif cuts is None:
        cuts = read_cut_list(source, carry.cuts)
    captions = LayerCaptions(dream.layers) if caption else None
    timeline, box = source.timeline, get_matte_box(matte, carry)
    compositor = Compositor(settings.show, timeline, make_matte_lookup(matte), box)

    def finish(frame: Frame) -> Frame:
        frame = compositor(frame)
        return captions.draw(frame, timeline.moment_at(frame.time)) if captions else frame

    controls = controls or DreamerControls()
    if isinstance(source, StillClip):
        controls = replace(controls, min_effort=STILL_MIN_EFFORT)
    dreamer = VideoDreamer(network, dream, carry, timeline, controls)
    frames_from = frames_from or source.frames_from
    if shard is None:
        detector = CroppedDetector(make_detector(carry, cuts), box)
        return VideoPipeline(frames_from, len(source), dreamer, detector, finish)
    detector = CroppedDetector(GivenMarks(shard), box)
    count, run_in = shard.run_in + shard.frames, shard.run_in
    part = shard.frames_of(frames_from)
    return VideoPipeline(part, count, dreamer, detector, finish, run_in=run_in)


def dream_sweep(
    source: PictureInput | Clip,
    network: Network | str | None = None,
    sweep: SweepOptions | None = None,
    dream: DreamOptions | None = None,
    carry: CarryOptions | None = None,
    cuts: Sequence[Fraction] | None = None,
    fps: float = float(DEFAULT_PICTURE_FOLDER_FPS),
    *,
    show: ShowOptions | None = None,
    on_step: StepCallback | None = None,
    preset: str | None = None,
    **settings: Any,
) -> Iterator[Frame]:
    """Yield the frames of a sweep through the layers of a network, as they are finished.

    Args:
        source: A picture, which stays while its dream changes: uint8 (H, W, 3) RGB, an image of
            Pillow's or a path; or a Clip.
        network: The network, on its compute device; a name loads one, None the default.
        sweep: Which layers are shown, and how long.
        dream: Settings of the dream; its own layers are ignored.
        carry: How the dream is carried from frame to frame.
        cuts: Times in seconds at which shots of a clip begin; None takes what `carry.cuts` says.
        fps: Frames per second of a picture's sweep.
        show: How much of the dream is shown, and where.
        on_step: Called after each step of gradient ascent; what it raises ends the dream.
        preset: Name of a preset, or path of a .toml file: its settings override those of the
            option objects.
        **settings: Single settings by name, such as `hold=0.5`; they override the preset.

    Yields:
        Frames whose pictures are uint8 (H, W, 3) RGB.

    Raises:
        SettingsError: The network lacks a layer, the source is too small for one, or the lengths
            do not fit.
    """
    given = KeywordSettings.read(
        "dream_sweep",
        preset,
        settings,
        *(SweepOptions, DreamOptions, CarryOptions, ShowOptions, SoundOptions),
    )
    sweep, show = given.over(sweep or SweepOptions()), given.over(show or ShowOptions())
    dream = given.over(dream or DreamOptions())
    network = as_network(network or dream.network)
    source = source if isinstance(source, Clip) else as_picture(source)
    layers = select_sweep_layers(network.name, network.layers, sweep)
    plan = plan_sweep(source, layers, sweep, to_exact_rate(fps))
    dream = replace(dream, layer=(plan.schedule,))
    sound = given.over(SoundOptions())
    carry = given.over(carry or CarryOptions())
    video = VideoSettings(dream=dream, carry=carry, show=show, sound=sound)
    plan = hear_sweep(plan, video)
    matte = open_sweep_matte(plan, show)
    pipeline = build_sweep_pipeline(
        *(plan.source, network, video),
        caption=sweep.caption,
        cuts=cuts,
        matte=matte,
        controls=DreamerControls(on_step=on_step),
    )
    return (frame for frame in pipeline if frame is not None)
