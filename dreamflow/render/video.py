"""A clip dreamed into a file, with the settings that made it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dreamflow.journeys.exemplars import guide_files
from dreamflow.journeys.journey import Journey
from dreamflow.journeys.loop import LoopJourney
from dreamflow.journeys.once import ClipJourney
from dreamflow.journeys.shown import Shown, Within, box_of, matte_of
from dreamflow.journeys.video import VideoDreamer, marker_of
from dreamflow.media import Clip
from dreamflow.media.cutlist import FOUND, read_cuts
from dreamflow.media.matte import Matte, open_matte
from dreamflow.media.matte_files import Frames
from dreamflow.motion import Marker
from dreamflow.networks import Network
from dreamflow.options import CarryOptions, VideoSettings
from dreamflow.render.inputs import CUTS, FLOW, MATTE, MATTES, Inputs, flow_files
from dreamflow.render.job import Handles, Rendered, render
from dreamflow.render.picking import pick_once
from dreamflow.render.record import settings_record


def video_journey(
    clip: Clip, network: Network, settings: VideoSettings, matte: Matte | None = None
) -> Journey:
    """Return the journey of a clip, once through or as a loop."""
    cuts, box = read_cuts(clip, settings.carry.cuts), box_of(matte, settings.carry)
    touch = Shown(settings.show, clip.timeline, matte_of(matte), box)

    def marker() -> Marker:
        return Within(marker_of(settings.carry, cuts), box)

    dreamer = VideoDreamer(network, settings.dream, settings.carry, clip.timeline)
    if settings.carry.loop:
        return LoopJourney(clip.frames_from, len(clip), dreamer, marker, touch)
    return ClipJourney(clip.frames_from, len(clip), dreamer, marker(), touch)


def inputs_of(clip: Clip, settings: VideoSettings, matte: Matte | None = None) -> Inputs:
    """Return the files that the frames depend on."""
    carry = settings.carry
    inputs = {"clip": clip.files}
    if carry.cuts not in FOUND:
        inputs[CUTS] = [Path(carry.cuts)]
    inputs |= guide_files(settings.dream)
    if carry.flow_dir is not None:
        inputs[FLOW] = flow_files(carry.flow_dir)
    if matte:
        # The frames of a resampled clip are not counted as those of its source are.
        strict = matte.box is not None or clip.resampled
        inputs[MATTES if strict else MATTE] = matte.files
    return inputs


def render_video(
    clip: Clip,
    out: Path,
    network: Network,
    settings: VideoSettings,
    handles: Handles | None = None,
    chunk: int | None = None,
    matte: Matte | None = None,
) -> Rendered:
    """Dream a clip into a file. matte: None opens that of the settings, where they have one.

    See `render` for what it raises, and how it goes on.
    """
    if matte is None and settings.show.matte is not None:
        matte = open_matte(settings.show, Frames.of(clip))
    handles = handles or Handles()
    dream, more = pick_once(settings.dream, network, clip.first_picture, out, handles)
    settings = replace(settings, dream=dream)
    groups = (settings.dream, settings.carry, settings.show, settings.clip, settings.encode)
    record = settings_record("video", clip.path, network, *groups) | more
    journey = video_journey(clip, network, settings, matte)
    inputs = inputs_of(clip, settings, matte)
    outline = clip.outline.beside(matte.sources if matte else ())
    return render(
        journey, out, outline, settings.encode, record, inputs, network.device, handles, chunk
    )


def rounds(carry: CarryOptions) -> int:
    """Return how often each frame of a clip is dreamed."""
    return 2 if carry.loop else 1
