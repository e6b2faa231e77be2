"""`dreamflow sweep`: a picture or a clip, dreamed on one layer after another."""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import Annotated

import typer

from dreamflow.cli.binding import (
    DebugOption,
    FreshOption,
    LikeOption,
    OverwriteOption,
    PresetOption,
    WatchOption,
    with_options,
)
from dreamflow.cli.commands.video import OutArgument
from dreamflow.cli.prepare import apply_machine_options, format_render_summary, track_render
from dreamflow.core.machine.options import MachineOptions
from dreamflow.dream.options import DreamOptions
from dreamflow.media.options import ClipOptions, EncodeOptions
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.settings.options import ShowOptions, SweepOptions
from dreamflow.temporal.options import CarryOptions

SWEEP_EXAMPLE = "Example: dreamflow sweep portrait.jpg layers.mp4 --category swirls --caption"


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
    layers: SweepOptions,
    dream: DreamOptions,
    carry: CarryOptions,
    show: ShowOptions,
    frames: ClipOptions,
    encode: EncodeOptions,
    machine: MachineOptions,
    overwrite: OverwriteOption = False,
    fresh: FreshOption = False,
    watch: WatchOption = None,
    debug: DebugOption = False,
) -> None:
    """Sweep through the layers of a network, from shallow to deep.

    Each layer stays for a while, and its dream fades into that of the next. A picture larger
    than 1280 pixels is swept at that size, unless --size says otherwise; a clip is filled from
    its beginning to its end, and keeps its sound.
    """
    from dreamflow.jobs.output import check_output_and_plate
    from dreamflow.jobs.render_sweep import render_sweep
    from dreamflow.media.write.containers import check_encode_options
    from dreamflow.networks.loading import network_layers
    from dreamflow.pipelines.sweep import open_sweep, open_sweep_matte

    check_encode_options(out, encode)
    known = network_layers(dream.network, machine.weights)
    plan = open_sweep(source, frames, layers, dream.network, known)
    matte = open_sweep_matte(plan, show)
    sources = [*plan.source.output_spec.sources, *(matte.source_paths if matte else [])]
    check_output_and_plate(out, overwrite, fresh, sources)
    for group in (dream, carry, show):
        group.check_schedules(plan.source.timeline, warn=False)
    from dreamflow.jobs.job import restore_machine_options
    from dreamflow.networks.loading import load_network

    machine = machine if fresh else restore_machine_options(out, machine)
    used = apply_machine_options(machine)
    network = load_network(dream.network, machine.weights, machine=used)
    settings = VideoSettings(dream, carry, frames, encode, show)
    started = time.monotonic()
    with track_render(out, plan.source.output_spec.frames, overwrite, fresh, watch) as handles:
        done = render_sweep(plan, source, out, network, settings, layers, handles, matte)
    count = len(plan.layers)
    what = f"{out}: {count} layer{'s' * (count > 1)}"
    typer.echo(
        f"{what}, {format_render_summary(done, plan.source.output_spec, time.monotonic() - started)}"
    )
