"""`dreamflow guide`: every layer of a network on one picture, as a web page."""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Annotated

import typer

from dreamflow.cli import terminal
from dreamflow.cli.binding import (
    DebugOption,
    LikeOption,
    OverwriteOption,
    PresetOption,
    is_given,
    with_options,
)
from dreamflow.cli.prepare import apply_machine_options, stop_on_ctrl_c
from dreamflow.core.errors import DreamFlowWarning
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.schedules.timecode import Moment
from dreamflow.core.wording import format_count
from dreamflow.reports.options import GuideDreamOptions, GuideOptions

GUIDE_EXAMPLE = "Example: dreamflow guide portrait.jpg guide --sheet guide.png"


@with_options
def guide_command(
    ctx: typer.Context,
    source: Annotated[
        Path, typer.Argument(help="A picture, or a clip.", metavar="SOURCE", show_default=False)
    ],
    out: Annotated[
        Path,
        typer.Argument(
            help="A folder: index.html and its pictures.", metavar="FOLDER", show_default=False
        ),
    ],
    *,
    options: GuideOptions,
    preset: PresetOption = None,
    like: LikeOption = None,
    dream: GuideDreamOptions,
    machine: MachineOptions,
    sheet: Annotated[
        Path | None,
        typer.Option(
            help="Draw all of them on one picture, too.",
            metavar="FILE",
            show_default=False,
            rich_help_panel="Output",
        ),
    ] = None,
    show: Annotated[
        bool,
        typer.Option("--open", help="Open the page when it is done.", rich_help_panel="Output"),
    ] = False,
    overwrite: OverwriteOption = False,
    debug: DebugOption = False,
) -> None:
    """Show what each layer makes of a picture: a web page that needs no connection.

    All layers, or those of --layer, --layers and --category together. The page
    can be looked at while it grows. Stop when you like: the same command goes on.
    """
    from dreamflow.dream.octaves import plan_octaves
    from dreamflow.dream.progress import StepCounter
    from dreamflow.networks.loading import load_network, network_layers
    from dreamflow.pipelines.layer_choice import select_layers
    from dreamflow.reports.guide.build import check_sheet_path, make_guide
    from dreamflow.reports.guide.folder import check_guide_folder

    # A preset or another dream says how hard is dreamed here, not on which layer.
    names = dream.layer if is_given(ctx, "layer") else ()
    names = [*names, *(part.strip() for part in (options.layers or "").split(",") if part.strip())]
    if dream.schedules:
        warnings.warn(
            "a guide has no time: the beginning of each schedule is taken", DreamFlowWarning, 2
        )
        dream = dream.at(Moment())
    known = network_layers(dream.network, machine.weights)
    chosen = select_layers(dream.network, known, names, options.category)
    check_guide_folder(out)
    if sheet:
        check_sheet_path(sheet, overwrite)
    apply_machine_options(machine)
    network = load_network(dream.network, machine.weights, machine.device, machine.precision)
    started = time.monotonic()
    each = max(1, sum(octave.iterations for octave in plan_octaves(dream)))
    with stop_on_ctrl_c(), terminal.progress_bar(out.name, len(chosen), "layer") as progress:
        steps = StepCounter([each] * len(chosen), lambda done: progress(done / each))
        made = make_guide(
            source,
            out,
            network,
            chosen,
            dream,
            at=options.at,
            size=options.size,
            sheet=sheet,
            weights=machine.weights,
            overwrite=overwrite,
            progress=steps.finish_parts,
            on_step=steps.step,
        )
    spent = time.monotonic() - started
    failed = f", {len(made.failure_by_layer)} failed" if made.failure_by_layer else ""
    typer.echo(
        f"{made.page_path}: {len(made.done_layers)} of {format_count(len(made.layers), 'layer')}{failed}, "
        f"{len(made.new_layers)} of them dreamed now in {spent:.0f} s"
    )
    if show:
        typer.launch(made.page_path.resolve().as_uri())
    if made.failure_by_layer:
        raise typer.Exit(1)
