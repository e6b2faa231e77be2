"""A sweep through the layers, rendered into a file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from dreamflow.core.errors import SettingsError
from dreamflow.core.options.values import fit_size
from dreamflow.jobs.job import RenderControls, RenderResult, render_job
from dreamflow.jobs.picked_channels import resolve_channel_picks
from dreamflow.jobs.render_video import collect_video_inputs
from dreamflow.media.options import ClipOptions
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.read.clip import DEFAULT_PICTURE_FOLDER_FPS, Clip, to_exact_rate
from dreamflow.media.read.cut_list import read_cut_list
from dreamflow.media.read.decoders import resize_picture
from dreamflow.media.read.matte import Matte, open_matte
from dreamflow.media.read.matte_files import MatteTarget
from dreamflow.media.stills import is_still, read_picture
from dreamflow.networks.network import Layer, Network
from dreamflow.pipelines.inputs import FIXED_MATTE_INPUT, MATTE_INPUT
from dreamflow.pipelines.layer_choice import select_sweep_layers
from dreamflow.pipelines.reference_frames import list_reference_files
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.options import ShowOptions, SweepOptions
from dreamflow.pipelines.settings.record import build_settings_record
from dreamflow.pipelines.sweep import (
    StillClip,
    build_sweep_pipeline,
    plan_sweep_schedule,
)

MAX_SWEEP_SIDE_PX = 1280
"""A picture that is larger is swept at this size, unless `size` says otherwise."""


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep shows: its frames, the outline of its output, its layers and their schedule."""

    source: StillClip | Clip
    output_spec: OutputSpec
    layers: tuple[str, ...]
    schedule: str


def plan_sweep(
    path: Path,
    options: ClipOptions,
    sweep: SweepOptions,
    network_name: str,
    layers_by_name: dict[str, Layer],
) -> SweepPlan:
    """Open a picture or a clip, and spread layers over it.

    network: its name; known: its layers, shallow to deep.

    Raises MediaError, or SettingsError for layers, lengths or a span that cannot be.
    """
    names = select_sweep_layers(network_name, layers_by_name, sweep)
    if not is_still(path):
        clip = Clip(path, options)
        _, schedule = plan_sweep_schedule(clip, names, sweep, clip.rate)
        return SweepPlan(clip, clip.output_spec, tuple(names), schedule)
    if options.start or options.end or options.every != ClipOptions.every:
        raise SettingsError(f"{path} is a picture: it has no --start, --end or --every")
    rate = to_exact_rate(options.fps) if options.fps else DEFAULT_PICTURE_FOLDER_FPS
    picture = read_picture(path)
    height, width = picture.shape[:2]
    size = options.size or str(min(max(width, height), MAX_SWEEP_SIDE_PX))
    picture = resize_picture(picture, *fit_size(size, width, height))
    still, schedule = plan_sweep_schedule(picture, names, sweep, rate)
    height, width = picture.shape[:2]
    outline = OutputSpec.at_constant_rate(width, height, rate, len(still), path)
    return SweepPlan(still, outline, tuple(names), schedule)


def open_sweep_matte(plan: SweepPlan, source_path: Path, show: ShowOptions) -> Matte | None:
    """Return the matte of a sweep. path: of its source. See `Matte` for what it raises."""
    source = plan.source
    if isinstance(source, Clip):
        return open_matte(show, MatteTarget.from_clip(source))
    high, wide = read_picture(source_path, warn_of_alpha=False).shape[:2]
    height, width = source.picture.shape[:2]
    length, rate = source.timeline.length, source.rate
    frames = MatteTarget(
        width, height, (wide, high), length=length, source_frame_at=lambda s: int(s * rate)
    )
    return open_matte(show, frames)


def render_sweep(
    plan: SweepPlan,
    source_path: Path,
    out: Path,
    network: Network,
    settings: VideoSettings,
    sweep: SweepOptions,
    controls: RenderControls | None = None,
    matte: Matte | None = None,
) -> RenderResult:
    """Dream a sweep into a file. path: of its source. matte: see `open_sweep_matte`.

    See `render` for what it raises, and how it goes on.
    """
    source, controls = plan.source, controls or RenderControls()
    dream = replace(settings.dream, layer=(plan.schedule,))
    dream, more = resolve_channel_picks(dream, network, source.first_picture, out, controls)
    settings = replace(settings, dream=dream)
    groups = (dream, settings.carry, settings.show, settings.clip, settings.encode, sweep)
    record = build_settings_record("sweep", source_path, network, *groups) | more
    cuts, inputs = None, {"picture": [source_path], **list_reference_files(dream)}
    if isinstance(source, Clip):
        cuts, inputs = (
            read_cut_list(source, settings.carry.cuts),
            collect_video_inputs(source, settings),
        )
    if matte:
        inputs = {
            **inputs,
            MATTE_INPUT if matte.bounding_box is None else FIXED_MATTE_INPUT: matte.files,
        }
    journey = build_sweep_pipeline(
        *(source, network, dream.layer[0], dream, settings.carry, cuts),
        *(sweep.caption, settings.show, matte),
    )
    outline = plan.output_spec.with_sources(matte.source_paths if matte else ())
    return render_job(
        journey, out, outline, settings.encode, record, inputs, network.device, controls
    )
