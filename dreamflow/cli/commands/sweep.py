"""`dreamflow sweep`: dream a picture or a clip on one layer after another."""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dreamflow.cli.output.terminal import print_line
from dreamflow.cli.progress.options import ProgressOptions
from dreamflow.cli.registry import Command, Section
from dreamflow.cli.settings.binding import with_options
from dreamflow.cli.settings.prepare import (
    RenderFlags,
    check_render_files,
    format_render_summary,
    kept_analysis_folder,
    list_input_paths,
    prepare_network,
    stop_on_ctrl_c,
    track_render,
)
from dreamflow.cli.settings.shared_options import (
    DebugOption,
    FreshOption,
    GainsOption,
    LikeAllOption,
    LikeOption,
    OpenjdOption,
    OutArgument,
    OverwriteOption,
    PresetOption,
    RepairOption,
    TraceOption,
    WatchOption,
)
from dreamflow.cli.settings.workers import (
    describe_farm_work,
    plan_workers,
)
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.text.wording import format_count
from dreamflow.dream.options import DreamOptions
from dreamflow.jobs.shards.options import ShardOptions
from dreamflow.media.options import ClipOptions, EncodeOptions
from dreamflow.media.sound.options import SoundOptions
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.options import ShowOptions, SweepOptions
from dreamflow.temporal.options import CarryOptions

if TYPE_CHECKING:
    from dreamflow.media.read.mattes.matte import Matte
    from dreamflow.pipelines.sweep.pipeline import SweepPlan


@functools.partial(with_options, without=("layer", "loop"))
def sweep_command(
    source: Annotated[
        Path,
        typer.Argument(
            help="A picture, which stays while its dream changes; or a clip.",
            metavar="IMAGE|CLIP",
            show_default=False,
        ),
    ],
    out: OutArgument,
    *,
    preset: PresetOption = None,
    like: LikeOption = None,
    like_all: LikeAllOption = None,
    layers: SweepOptions,
    dream: DreamOptions,
    carry: CarryOptions,
    gains: GainsOption = None,
    show: ShowOptions,
    sound: SoundOptions,
    frames: ClipOptions,
    encode: EncodeOptions,
    machine: MachineOptions,
    workers: ShardOptions,
    openjd: OpenjdOption = None,
    reporting: ProgressOptions,
    overwrite: OverwriteOption = False,
    fresh: FreshOption = False,
    repair: RepairOption = False,
    watch: WatchOption = None,
    trace: TraceOption = None,
    debug: DebugOption = False,
) -> None:
    """Sweep through the layers of a network, from shallow to deep.

    Each layer stays for a while, and its dream fades into that of the next. A picture larger than
    1280 pixels is dreamed at that size, unless --size says otherwise. A clip is dreamed over its
    whole length, and keeps its sound.
    """
    settings = VideoSettings(dream, carry, frames, encode, show, sound)
    inputs = list_input_paths([gains], dream, carry, show, sound, machine, preset=preset)
    flags = RenderFlags(
        *(overwrite, fresh, watch, None, gains, trace, reporting.kind),
        repair=repair,
        inputs=inputs,
    )
    with stop_on_ctrl_c():
        print_line(render_layers(source, out, settings, layers, machine, flags, workers, openjd))


SWEEP = Command(
    "sweep",
    sweep_command,
    Section.RENDER,
    2,
    "dreamflow sweep portrait.jpg layers.mp4 --category swirls --caption",
)


def render_layers(
    source: Path,
    out: Path,
    settings: VideoSettings,
    sweep: SweepOptions,
    machine: MachineOptions,
    flags: RenderFlags,
    workers: ShardOptions,
    openjd: Path | None = None,
) -> str:
    """Render a sweep with a progress bar, and return a line that sums the render up.

    Args:
        source: The picture or clip.
        out: The output.
        settings: All settings but those of the sweep.
        sweep: Which layers are shown, and how long.
        machine: Where to compute.
        flags: The options of the render.
        workers: How the render is spread over workers.
        openjd: Folder of a job bundle, which is written instead of rendering.
    """
    plan, matte = plan_and_check(source, out, settings, sweep, machine, flags)
    from dreamflow.jobs.renders.render_sweep import prepare_sweep_job, render_sweep

    crew, sharding = plan_workers(workers, machine, out, flags.fresh, openjd)
    machine = crew.machine
    network = prepare_network(settings.dream.network, machine)
    started_s = time.monotonic()
    with track_render(out, plan.source.output_spec.frames, flags) as controls:
        asked = (plan, source, out, network, settings, sweep, controls, matte)
        if crew.is_farm and sharding:
            return describe_farm_work(prepare_sweep_job(*asked, sharding), machine, openjd)
        result = render_sweep(*asked, sharding)
    summary = format_render_summary(result, plan.source.output_spec, time.monotonic() - started_s)
    return f"{out}: {format_count(len(plan.layers), 'layer')}, {summary}"


def plan_and_check(
    source: Path,
    out: Path,
    settings: VideoSettings,
    sweep: SweepOptions,
    machine: MachineOptions,
    flags: RenderFlags,
) -> tuple[SweepPlan, Matte | None]:
    """Plan a sweep and open its matte, and check all that can be checked without weights."""
    from dreamflow.media.depth.write import DeepOutput
    from dreamflow.media.write.containers import check_encode_options
    from dreamflow.networks.loading import network_layers
    from dreamflow.pipelines.hearing import warn_of_unheard
    from dreamflow.pipelines.sweep.pipeline import hear_sweep, open_sweep, open_sweep_matte

    check_encode_options(out, settings.encode)
    network_name = settings.dream.network
    known = network_layers(network_name, machine.weights)
    output = DeepOutput.of(out, settings.encode)
    plan = open_sweep(source, settings.clip, sweep, network_name, known, settings.sound, output)
    matte = open_sweep_matte(plan, settings.show)
    check_render_files(
        out, flags, [*plan.source.output_spec.sources, *(matte.source_paths if matte else [])]
    )
    groups = (settings.dream, settings.carry, settings.show)
    warn_of_unheard(settings.sound, groups, plan.source.output_spec)
    plan = hear_sweep(plan, settings, kept_analysis_folder(out, flags))
    for group in groups:
        group.check_schedules(plan.source.timeline, warn=False)
    return plan, matte
