"""`dreamflow guide`: every layer of a network on one picture, as a web page."""

from __future__ import annotations

import functools
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dreamflow.cli.output.terminal import print_line
from dreamflow.cli.progress.bars import progress_bar
from dreamflow.cli.progress.options import ProgressOptions
from dreamflow.cli.registry import Command, Section
from dreamflow.cli.settings.binding import with_options
from dreamflow.cli.settings.crew import plan_crew
from dreamflow.cli.settings.inherited import is_given
from dreamflow.cli.settings.prepare import list_input_paths, prepare_network, stop_on_ctrl_c
from dreamflow.cli.settings.shared_options import (
    OUTPUT_PANEL,
    DebugOption,
    LikeAllOption,
    LikeOption,
    OverwriteOption,
    PresetOption,
)
from dreamflow.cli.settings.workers import SETTINGS_OF_SHARDS, open_layer_workers
from dreamflow.core.errors import IneffectiveSettingWarning
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.schedules.timecode import Moment
from dreamflow.core.text.wording import format_count
from dreamflow.jobs.shards.options import ShardOptions
from dreamflow.media.options import FilmOptions
from dreamflow.reports.options import GuideDreamOptions, GuideOptions

if TYPE_CHECKING:
    from dreamflow.reports.guide.folder import Guide


@functools.partial(with_options, without=SETTINGS_OF_SHARDS)
def guide_command(
    ctx: typer.Context,
    source: Annotated[
        Path, typer.Argument(help="A picture, or a clip.", metavar="SOURCE", show_default=False)
    ],
    out: Annotated[
        Path,
        typer.Argument(
            help="The folder for index.html and its pictures.", metavar="FOLDER", show_default=False
        ),
    ],
    *,
    options: GuideOptions,
    film: FilmOptions,
    preset: PresetOption = None,
    like: LikeOption = None,
    like_all: LikeAllOption = None,
    dream: GuideDreamOptions,
    machine: MachineOptions,
    workers: ShardOptions,
    reporting: ProgressOptions,
    sheet: Annotated[
        Path | None,
        typer.Option(
            help="Also draw all layers on one picture.",
            metavar="FILE",
            show_default=False,
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = None,
    show: Annotated[
        bool,
        typer.Option("--open", help="Open the page when it is done.", rich_help_panel=OUTPUT_PANEL),
    ] = False,
    overwrite: OverwriteOption = False,
    debug: DebugOption = False,
) -> None:
    """Show what each layer dreams on a picture: a web page that works offline.

    Without --layer, --layers and --category it shows all layers; with several of these, all that
    any of them names. You can open the page while it grows. Stop when you like: the same command
    resumes it.
    """
    from dreamflow.dream.octaves import plan_octaves
    from dreamflow.dream.progress import StepCounter
    from dreamflow.networks.loading import network_layers
    from dreamflow.pipelines.layer_choice import select_layers
    from dreamflow.reports.guide.build import check_sheet_path, make_guide
    from dreamflow.reports.guide.folder import check_guide_folder

    if dream.schedules:
        warnings.warn(
            "a guide has no time: the beginning of each schedule is taken",
            IneffectiveSettingWarning,
            2,
        )
        dream = dream.at(Moment())
    # The layers of a preset or of --like do not count: they say how the dream is made here.
    names = list_requested_layers(dream.layer if is_given(ctx, "layer") else (), options.layers)
    known = network_layers(dream.network, machine.weights)
    layers = select_layers(dream.network, known, names, options.category)
    check_guide_folder(out)
    if sheet:
        check_sheet_path(
            sheet, overwrite, list_input_paths([source], dream, machine, preset=preset)
        )
    crew = plan_crew(workers, machine)
    network = prepare_network(dream.network, crew.machine)
    started_s = time.monotonic()
    layer_steps = max(1, sum(octave.iterations for octave in plan_octaves(dream)))
    with (
        stop_on_ctrl_c(),
        open_layer_workers(crew, dream.network) as processes,
        progress_bar(f"dreaming {out.name}", len(layers), "layer", kind=reporting.kind) as progress,
    ):
        counter = StepCounter(
            [layer_steps] * len(layers), lambda steps: progress(steps / layer_steps)
        )
        guide = make_guide(
            *(source, out, network, layers, dream),
            at=options.at,
            size=options.size,
            deinterlace=film.deinterlace,
            video_track=film.video_track,
            sheet=sheet,
            weights=machine.weights,
            overwrite=overwrite,
            allow_playlist=film.allow_playlist,
            progress=counter.finish_parts,
            on_step=counter.step,
            workers=processes,
        )
    print_line(format_guide_summary(guide, time.monotonic() - started_s))
    if show:
        typer.launch(guide.page_path.resolve().as_uri())
    if guide.failure_by_layer:
        raise typer.Exit(1)


GUIDE = Command(
    "guide",
    guide_command,
    Section.PREVIEW,
    2,
    "dreamflow guide portrait.jpg guide --sheet guide.png",
)


def list_requested_layers(layer: Sequence[str], layers: str | None) -> list[str]:
    """Return the layers named by `--layer`, repeated, and by `--layers`, separated by commas."""
    return [*layer, *(part.strip() for part in (layers or "").split(",") if part.strip())]


def format_guide_summary(guide: Guide, elapsed_s: float) -> str:
    """Return the last line: how many layers are done, have failed and were dreamed now."""
    done = f"{len(guide.done_layers)} of {format_count(len(guide.layers), 'layer')}"
    failed = f", {len(guide.failure_by_layer)} failed" if guide.failure_by_layer else ""
    now = f"{len(guide.new_layers)} of them dreamed now in {elapsed_s:.0f} s"
    return f"{guide.page_path}: {done}{failed}, {now}"
