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
from dreamflow.cli.prepare import followed_render, set_machine, what_came
from dreamflow.cli.video import OutArgument
from dreamflow.options import (
    CarryOptions,
    ClipOptions,
    DreamOptions,
    EncodeOptions,
    MachineOptions,
    ShowOptions,
    SweepOptions,
    VideoSettings,
)

EXAMPLE = "Example: dreamflow sweep portrait.jpg layers.mp4 --category swirls --caption"


@functools.partial(with_options, without=("layer", "loop"))
def sweep(
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
    from dreamflow.media.formats import check_encode
    from dreamflow.media.writer import check_target
    from dreamflow.networks.store import network_layers
    from dreamflow.render.sweep import open_sweep_matte, plan_sweep, render_sweep

    check_encode(out, encode)
    known = network_layers(dream.network, machine.weights)
    plan = plan_sweep(source, frames, layers, dream.network, known)
    matte = open_sweep_matte(plan, source, show)
    sources = [*plan.outline.sources, *(matte.sources if matte else [])]
    check_target(out, overwrite, fresh, sources)
    for group in (dream, carry, show):
        group.check_over(plan.source.timeline, warn=False)
    from dreamflow.networks import load_network
    from dreamflow.render import remembered

    machine = machine if fresh else remembered(out, machine)
    set_machine(machine)
    network = load_network(dream.network, machine.weights, machine.device, machine.precision)
    settings = VideoSettings(dream, carry, frames, encode, show)
    started = time.monotonic()
    with followed_render(out, plan.outline.frames, overwrite, fresh, watch) as handles:
        done = render_sweep(plan, source, out, network, settings, layers, handles, matte)
    count = len(plan.layers)
    what = f"{out}: {count} layer{'s' * (count > 1)}"
    typer.echo(f"{what}, {what_came(done, plan.outline, time.monotonic() - started)}")
