"""A clip dreamed into a file."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from dreamflow.jobs.controls import RenderControls, RenderResult
from dreamflow.jobs.job import prepare_job, render_job
from dreamflow.jobs.job_spec import JobSpec
from dreamflow.jobs.resume.begun_job import find_kept_folder
from dreamflow.jobs.resume.picked_channels import resolve_channel_picks
from dreamflow.jobs.shards.join import free_while_joining
from dreamflow.jobs.shards.sharded import Sharding, spread_job
from dreamflow.media.depth.write import DeepOutput
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.mattes.matte import Matte, open_matte
from dreamflow.media.read.mattes.matte_files import MatteTarget
from dreamflow.networks.network import Network
from dreamflow.pipelines.dreamer_controls import DreamerControls
from dreamflow.pipelines.hearing import add_music, hear_once
from dreamflow.pipelines.inputs import list_clip_files, list_gains_files
from dreamflow.pipelines.pipeline import Pipeline
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.record import build_settings_record
from dreamflow.pipelines.shard_source import ShardSource
from dreamflow.pipelines.video.pipeline import build_video_pipeline
from dreamflow.temporal.options import CarryOptions


def render_video(
    clip: Clip,
    out: Path,
    network: Network,
    settings: VideoSettings,
    controls: RenderControls | None = None,
    matte: Matte | None = None,
    sharding: Sharding | None = None,
) -> RenderResult:
    """Dream a clip into a file; resumes where the same render was interrupted.

    Args:
        clip: The clip, opened with `settings.clip`.
        out: The output; without a suffix it is a folder of PNGs.
        network: The network, on its compute device.
        settings: All settings, which are kept with the output.
        controls: How the render is followed, and what it may replace.
        matte: The matte of the settings, if it is open already.
        sharding: How the render is spread over workers; None dreams the clip in one go.

    Raises:
        SettingsError: A setting does not fit the clip or the network.
        DreamFlowError: See `render_job`.
    """
    controls = controls or RenderControls()
    with _open_video_job(clip, out, network, settings, controls, matte, sharding) as job:
        return render_job(job, free_while_joining(job.pipeline, controls))


def prepare_video_job(
    clip: Clip,
    out: Path,
    network: Network,
    settings: VideoSettings,
    controls: RenderControls,
    matte: Matte | None,
    sharding: Sharding,
) -> Path:
    """Begin the job of a clip, and find its shards; return its folder. See `render_video`."""
    with _open_video_job(clip, out, network, settings, controls, matte, sharding) as job:
        return prepare_job(job, controls)


@contextmanager
def _open_video_job(
    clip: Clip,
    out: Path,
    network: Network,
    settings: VideoSettings,
    controls: RenderControls,
    matte: Matte | None,
    sharding: Sharding | None,
) -> Generator[JobSpec]:
    """Yield the job of a clip; its workers, if it has any, are stopped at the end."""
    matte = matte or open_matte(settings.show, MatteTarget.from_clip(clip))
    dream, picks = resolve_channel_picks(settings.dream, network, clip.first_picture, out, controls)
    settings = replace(settings, dream=dream)
    record = build_settings_record("video", clip.path, network, *vars(settings).values())
    groups = (dream, settings.carry, settings.show)
    clip = hear_once(clip, settings.sound, groups, find_kept_folder(out, controls))
    clip = clip.with_originals(DeepOutput.of(out, settings.encode))
    spec = add_music(clip.output_spec, settings.sound, clip.start_time)
    inputs = list_clip_files(clip, settings, matte)
    with controls.open_dreamer_controls() as dreamer_controls:

        def build(controls: DreamerControls) -> Pipeline:
            return build_video_pipeline(clip, network, settings, matte, controls)

        job = JobSpec(
            pipeline=build(dreamer_controls),
            output_path=out,
            output_spec=spec.with_sources(matte.source_paths if matte else ()),
            encode=settings.encode,
            record=record | picks,
            inputs={**inputs, **list_gains_files(controls.gains_path)},
            machine=network.machine,
            rebuild=lambda: build(dreamer_controls.without_trace()),
            hearing=clip.hearing,
        )
        source = ShardSource(clip, settings, matte)
        with spread_job(job, sharding, source, network, dreamer_controls, controls) as spread:
            yield spread


def count_dreams_per_frame(carry: CarryOptions) -> int:
    """Return how many times each frame of a clip is dreamed: twice for a loop."""
    return 2 if carry.loop else 1
