"""A sweep through the layers dreamed into a file."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from dreamflow.jobs.controls import RenderControls, RenderResult
from dreamflow.jobs.job import prepare_job, render_job
from dreamflow.jobs.job_spec import JobSpec
from dreamflow.jobs.resume.begun_job import find_kept_folder
from dreamflow.jobs.resume.picked_channels import resolve_channel_picks
from dreamflow.jobs.shards.join import free_while_joining
from dreamflow.jobs.shards.sharded import Sharding, spread_job
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.mattes.matte import Matte
from dreamflow.networks.network import Network
from dreamflow.pipelines.dreamer_controls import DreamerControls
from dreamflow.pipelines.hearing import add_music
from dreamflow.pipelines.inputs import list_gains_files
from dreamflow.pipelines.pipeline import Pipeline
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.options import SweepOptions
from dreamflow.pipelines.settings.record import build_settings_record
from dreamflow.pipelines.shard_source import ShardSource
from dreamflow.pipelines.sweep.pipeline import (
    SweepPlan,
    build_sweep_pipeline,
    hear_sweep,
    list_sweep_files,
)


def render_sweep(
    plan: SweepPlan,
    source_path: Path,
    out: Path,
    network: Network,
    settings: VideoSettings,
    sweep: SweepOptions,
    controls: RenderControls | None = None,
    matte: Matte | None = None,
    sharding: Sharding | None = None,
) -> RenderResult:
    """Dream a sweep into a file; resumes where the same render was interrupted.

    Args:
        plan: What is shown; see `open_sweep`.
        source_path: The picture or clip that the plan was made of, for the record.
        out: The output; without a suffix it is a folder of PNGs.
        network: The network, on its compute device.
        settings: All settings but those of the sweep, which are kept with the output.
        sweep: The settings of the sweep.
        controls: How the render is followed, and what it may replace.
        matte: Where the dream is shown; see `open_sweep_matte`.
        sharding: How the render is spread over workers; None dreams the sweep in one go.

    Raises:
        SettingsError: A setting does not fit the source or the network.
        DreamFlowError: See `render_job`.
    """
    controls = controls or RenderControls()
    with _open_sweep_job(
        plan, source_path, out, network, settings, sweep, controls, matte, sharding
    ) as job:
        return render_job(job, free_while_joining(job.pipeline, controls))


def prepare_sweep_job(
    plan: SweepPlan,
    source_path: Path,
    out: Path,
    network: Network,
    settings: VideoSettings,
    sweep: SweepOptions,
    controls: RenderControls,
    matte: Matte | None,
    sharding: Sharding,
) -> Path:
    """Begin the job of a sweep, and find its shards; return its folder. See `render_sweep`."""
    with _open_sweep_job(
        plan, source_path, out, network, settings, sweep, controls, matte, sharding
    ) as job:
        return prepare_job(job, controls)


@contextmanager
def _open_sweep_job(
    plan: SweepPlan,
    source_path: Path,
    out: Path,
    network: Network,
    settings: VideoSettings,
    sweep: SweepOptions,
    controls: RenderControls,
    matte: Matte | None,
    sharding: Sharding | None,
) -> Generator[JobSpec]:
    """Yield the job of a sweep; its workers, if it has any, are stopped at the end."""
    dream, picks = resolve_channel_picks(
        replace(settings.dream, layer=(plan.schedule,)),
        network,
        plan.source.first_picture,
        out,
        controls,
    )
    settings = replace(settings, dream=dream)
    plan = hear_sweep(plan, settings, find_kept_folder(out, controls))
    groups = (*vars(settings).values(), sweep)
    begin = plan.source.start_time if isinstance(plan.source, Clip) else Fraction(0)
    spec = add_music(plan.source.output_spec, settings.sound, begin)
    inputs = list_sweep_files(plan, settings, matte)
    with controls.open_dreamer_controls() as dreamer_controls:

        def build(controls: DreamerControls) -> Pipeline:
            return build_sweep_pipeline(
                plan.source,
                network,
                settings,
                caption=sweep.caption,
                matte=matte,
                controls=controls,
            )

        job = JobSpec(
            pipeline=build(dreamer_controls),
            output_path=out,
            output_spec=spec.with_sources(matte.source_paths if matte else ()),
            encode=settings.encode,
            record=build_settings_record("sweep", source_path, network, *groups) | picks,
            inputs={**inputs, **list_gains_files(controls.gains_path)},
            machine=network.machine,
            rebuild=lambda: build(dreamer_controls.without_trace()),
            hearing=plan.source.hearing,
        )
        source = ShardSource(plan.source, settings, matte, sweep)
        with spread_job(job, sharding, source, network, dreamer_controls, controls) as spread:
            yield spread
