"""A clip dreamed into a file, with the settings that made it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dreamflow.jobs.job import RenderControls, RenderResult, render_job
from dreamflow.jobs.picked_channels import resolve_channel_picks
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.cut_list import CUTS_KEYWORDS, read_cut_list
from dreamflow.media.read.matte import Matte, open_matte
from dreamflow.media.read.matte_files import MatteTarget
from dreamflow.networks.network import Network
from dreamflow.pipelines.clip import VideoPipeline
from dreamflow.pipelines.compositor import (
    Compositor,
    CroppedDetector,
    get_matte_box,
    make_matte_lookup,
)
from dreamflow.pipelines.inputs import (
    CUTS_INPUT,
    FIXED_MATTE_INPUT,
    FLOW_INPUT,
    MATTE_INPUT,
    InputFiles,
    list_flow_files,
)
from dreamflow.pipelines.loop import LoopPipeline
from dreamflow.pipelines.pipeline import Pipeline
from dreamflow.pipelines.reference_frames import list_reference_files
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.record import build_settings_record
from dreamflow.pipelines.video import VideoDreamer, marker_of
from dreamflow.temporal.options import CarryOptions
from dreamflow.temporal.shots import Marker


def build_video_pipeline(
    clip: Clip, network: Network, settings: VideoSettings, matte: Matte | None = None
) -> Pipeline:
    """Return the journey of a clip, once through or as a loop."""
    cuts, box = read_cut_list(clip, settings.carry.cuts), get_matte_box(matte, settings.carry)
    touch = Compositor(settings.show, clip.timeline, make_matte_lookup(matte), box)

    def marker() -> Marker:
        return CroppedDetector(marker_of(settings.carry, cuts), box)

    dreamer = VideoDreamer(network, settings.dream, settings.carry, clip.timeline)
    if settings.carry.loop:
        return LoopPipeline(clip.frames_from, len(clip), dreamer, marker, touch)
    return VideoPipeline(clip.frames_from, len(clip), dreamer, marker(), touch)


def collect_video_inputs(
    clip: Clip, settings: VideoSettings, matte: Matte | None = None
) -> InputFiles:
    """Return the files that the frames depend on."""
    carry = settings.carry
    inputs = {"clip": clip.files}
    if carry.cuts not in CUTS_KEYWORDS:
        inputs[CUTS_INPUT] = [Path(carry.cuts)]
    inputs |= list_reference_files(settings.dream)
    if carry.flow_dir is not None:
        inputs[FLOW_INPUT] = list_flow_files(carry.flow_dir)
    if matte:
        # The frames of a resampled clip are not counted as those of its source are.
        strict = matte.bounding_box is not None or clip.is_resampled
        inputs[FIXED_MATTE_INPUT if strict else MATTE_INPUT] = matte.files
    return inputs


def render_video(
    clip: Clip,
    out: Path,
    network: Network,
    settings: VideoSettings,
    controls: RenderControls | None = None,
    segment_frames: int | None = None,
    matte: Matte | None = None,
) -> RenderResult:
    """Dream a clip into a file. matte: None opens that of the settings, where they have one.

    See `render` for what it raises, and how it goes on.
    """
    if matte is None and settings.show.matte is not None:
        matte = open_matte(settings.show, MatteTarget.from_clip(clip))
    controls = controls or RenderControls()
    dream, more = resolve_channel_picks(settings.dream, network, clip.first_picture, out, controls)
    settings = replace(settings, dream=dream)
    groups = (settings.dream, settings.carry, settings.show, settings.clip, settings.encode)
    record = build_settings_record("video", clip.path, network, *groups) | more
    journey = build_video_pipeline(clip, network, settings, matte)
    inputs = collect_video_inputs(clip, settings, matte)
    outline = clip.output_spec.with_sources(matte.source_paths if matte else ())
    return render_job(
        journey,
        out,
        outline,
        settings.encode,
        record,
        inputs,
        network.device,
        controls,
        segment_frames,
    )


def count_dreams_per_frame(carry: CarryOptions) -> int:
    """Return how often each frame of a clip is dreamed."""
    return 2 if carry.loop else 1
