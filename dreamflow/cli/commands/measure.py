"""`dreamflow measure`: measure how coherent a dream is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dreamflow.cli.measuring.figures import (
    figures_to_json,
    print_dreams,
    print_figures,
    write_figures_csv,
)
from dreamflow.cli.output.terminal import print_note, word_flags
from dreamflow.cli.progress.bars import progress_bar
from dreamflow.cli.progress.options import ProgressOptions
from dreamflow.cli.registry import Command, Section
from dreamflow.cli.settings.binding import with_options
from dreamflow.cli.settings.prepare import apply_machine_options, list_input_paths, stop_on_ctrl_c
from dreamflow.cli.settings.shared_options import DebugOption, OverwriteOption
from dreamflow.core.errors import OutputError, SettingsError, named
from dreamflow.core.machine.options import MachineOptions
from dreamflow.media.options import ClipOptions


@with_options
def measure_command(
    source: Annotated[
        Path, typer.Argument(help="The clip dreamed.", metavar="SOURCE", show_default=False)
    ],
    dream: Annotated[
        list[Path],
        typer.Argument(help="The dream of it, or several.", metavar="DREAM...", show_default=False),
    ],
    *,
    against: Annotated[
        Path | None,
        typer.Option(
            help="Another dream of the clip to compare with, best one with --no-carry.",
            metavar="OTHER",
            show_default=False,
        ),
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            help="Layer whose response is measured; without it, the one that each DREAM records.",
            metavar="NAME[=WEIGHT]",
            show_default=False,
        ),
    ] = None,
    network: Annotated[
        str | None, typer.Option(help="Network of that layer.", show_default=False)
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Draw the figures over time, and one row of the picture, frame after frame.",
            metavar="PNG",
            show_default=False,
        ),
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(
            help="Draw the trace of the first DREAM too: the FILE of `video --trace FILE`.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            "--csv", help="Write the figures of each frame.", metavar="FILE", show_default=False
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print all figures as JSON, those of each frame too.")
    ] = False,
    overwrite: OverwriteOption = False,
    frames: ClipOptions,
    machine: MachineOptions,
    reporting: ProgressOptions,
    debug: DebugOption = False,
) -> None:
    """Measure how steady a dream is, and rate it: does it flicker, fade, blur or change colour?

    Several dreams of the clip make a table with a line for each. A schedule of --strength that a
    dream records is taken out: the whole dream is measured.

    Give --against a dream of the same clip made with --no-carry, which flickers as much as it can.

    E_warp: how much each frame differs from the one before, once the motion of the scene is taken
    out (Lai et al. 2018). The source has some itself: 1 to 2 times as much is good. Long-term: the
    same, from the first frame of the shot.

    Excess flicker: the flicker that the dream adds, as a share of what --against adds. 0 is none,
    1 is as much; below 0.05 is good, and below 0.03 the eye sees none.

    Objective: how strongly the layer responds. Intensity: the same as a share of --against; good is
    about 1.

    Residual: how far the dream is from the source. Good: the same from begin to end of a shot.

    What moves: by itself, against the camera. Vacated ground: where that has just been; well below
    1 it is bare, well above 1 the dream of what moved has stayed there.

    Weakest tile: how much dream the barest part of the frame has, as a share of the rest (or of the
    same part of --against); near 0, a part of the frame is bare.

    Sharpness: of the dream, as a share of the source's. Colour drift: change of the mean colour
    within a shot, in levels of 255; below 1 is good.
    """
    from dreamflow.media.write.output_path import check_output
    from dreamflow.reports.coherence.trace_panels import build_trace_panels, read_trace_file
    from dreamflow.reports.measuring.comparison import (
        MeasuredWith,
        check_same_frames,
        measure_all,
        open_comparison,
    )

    inputs = list_input_paths([source, *dream, against, trace], machine)
    for path in (path for path in (plot, table) if path):
        check_output(path, overwrite, inputs)
    if plot and plot.suffix.lower() != ".png":
        raise OutputError(f"{plot}: a plot is a .png file", setting="plot", value=plot)
    if trace and not plot:
        raise SettingsError(
            f"{named('trace')} is drawn into a plot: give {named('plot')} too", setting="trace"
        )
    traces = read_trace_file(trace) if trace else []
    comparisons = [open_comparison(source, path, against, frames) for path in dream]
    if plot:
        check_same_frames(comparisons)
    measure_with = MeasuredWith(
        *(layer, network, machine, apply_machine_options(machine)),
        lambda line: print_note(word_flags(line)),
    )
    names = dict.fromkeys(clip.path.name for one in comparisons for clip in one.dreams)
    total = sum(len(one.source) for one in comparisons)
    title = f"measuring {' and '.join(names)}"
    with stop_on_ctrl_c(), progress_bar(title, total, kind=reporting.kind) as progress:
        measured = measure_all(comparisons, measure_with, progress)
    if table:
        write_figures_csv(table, measured)
    if plot:
        from dreamflow.reports.coherence.plot import plot_measurements

        drawn = [*(one.measurements[0] for one in measured), *measured[0].measurements[1:]]
        panels = build_trace_panels(traces, drawn[0].frame_indices) if traces else []
        plot_measurements(plot, drawn, panels)
    if as_json:
        typer.echo(figures_to_json(measured))
    elif len(measured) > 1:
        print_dreams(source, measured)
    else:
        print_figures(source, measured[0])


MEASURE = Command(
    "measure",
    measure_command,
    Section.INSPECT,
    2,
    "dreamflow measure clip.mp4 dream.mp4 --against naive.mp4 --plot figures.png",
)
