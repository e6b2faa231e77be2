"""`dream_video`: the dream of any frames, from Python."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from dreamflow.core.errors import SettingsError, named
from dreamflow.core.frames import Frame
from dreamflow.core.schedules.timecode import Timeline
from dreamflow.dream.options import DreamOptions
from dreamflow.dream.progress import StepCallback
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.open_clip import open_clip
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
from dreamflow.pipelines.settings.keywords import KeywordSettings
from dreamflow.pipelines.settings.options import ShowOptions
from dreamflow.pipelines.video.carry_over_frames import VideoDreamer
from dreamflow.pipelines.video.pipeline import VideoPipeline, build_pipeline, make_detector
from dreamflow.temporal.control.gains import Gains
from dreamflow.temporal.options import CarryOptions
from dreamflow.temporal.shots import Marker


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
    on_step: StepCallback | None = None,
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
        on_step: Called after each step of gradient ascent; what it raises ends the dream.
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
    controls = controls if on_step is None else replace(controls, on_step=on_step)
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
