"""A clip dreamed into a file, with the settings that made it."""

from __future__ import annotations

from pathlib import Path

from dreamflow.journeys.journey import Journey
from dreamflow.journeys.loop import LoopJourney
from dreamflow.journeys.once import ClipJourney
from dreamflow.journeys.video import VideoDreamer, marker_of
from dreamflow.media import Clip
from dreamflow.media.cutlist import FOUND, read_cuts
from dreamflow.networks import Network
from dreamflow.options import CarryOptions, VideoSettings
from dreamflow.render.inputs import FLOW, Inputs
from dreamflow.render.job import Handles, Rendered, render
from dreamflow.render.record import settings_record


def video_journey(clip: Clip, network: Network, settings: VideoSettings) -> Journey:
    """Return the journey of a clip, once through or as a loop."""
    cuts = read_cuts(clip, settings.carry.cuts)
    dreamer = VideoDreamer(network, settings.dream, settings.carry, clip.timeline)
    if settings.carry.loop:
        return LoopJourney(
            clip.frames_from, len(clip), dreamer, lambda: marker_of(settings.carry, cuts)
        )
    return ClipJourney(clip.frames_from, len(clip), dreamer, marker_of(settings.carry, cuts))


def inputs_of(clip: Clip, settings: VideoSettings) -> Inputs:
    """Return the files that the frames depend on."""
    carry = settings.carry
    inputs = {"clip": clip.files}
    if carry.cuts not in FOUND:
        inputs["--cuts file"] = [Path(carry.cuts)]
    if carry.flow_dir is not None:
        inputs[FLOW] = sorted(Path(carry.flow_dir).glob("*.flo"))
    return inputs


def render_video(
    clip: Clip,
    out: Path,
    network: Network,
    settings: VideoSettings,
    handles: Handles | None = None,
    chunk: int | None = None,
) -> Rendered:
    """Dream a clip into a file. See `render` for what it raises, and how it goes on."""
    groups = (settings.dream, settings.carry, settings.clip, settings.encode)
    record = settings_record("video", clip.path, network, *groups)
    journey = video_journey(clip, network, settings)
    inputs = inputs_of(clip, settings)
    return render(
        journey, out, clip.outline, settings.encode, record, inputs, network.device, handles, chunk
    )


def rounds(carry: CarryOptions) -> int:
    """Return how often each frame of a clip is dreamed."""
    return 2 if carry.loop else 1
