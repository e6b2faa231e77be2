"""`dreamflow measure`: how well a dream holds, in figures."""

from __future__ import annotations

import csv
import json
import math
import warnings
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamflow.cli import terminal
from dreamflow.cli.binding import DebugOption, OverwriteOption, with_options
from dreamflow.cli.commands.listing import print_table
from dreamflow.cli.prepare import apply_machine_options, stop_on_ctrl_c
from dreamflow.core.errors import (
    DreamFlowWarning,
    OutputError,
    SettingsError,
    WeightsError,
    named,
)
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.schedules.schedule import as_schedule, parse_layer_schedule
from dreamflow.dream.options import DreamOptions
from dreamflow.media.options import ClipOptions
from dreamflow.pipelines.settings.options import ShowOptions
from dreamflow.temporal.options import CarryOptions

if TYPE_CHECKING:
    from dreamflow.core.machine.machine import Machine
    from dreamflow.core.schedules.timecode import Timeline
    from dreamflow.media.read.clip import Clip
    from dreamflow.networks.network import Network
    from dreamflow.reports.coherence.measurement import Measurement, ObjectiveAtTime

MEASURE_EXAMPLE = (
    "Example: dreamflow measure clip.mp4 dream.mp4 --against naive.mp4 --plot figures.png"
)
MAX_MEASURED_SIDE_PX = 480
"""Dreams larger than this are measured at this size, unless --size says otherwise."""


@with_options
def measure_command(
    source: Annotated[
        Path, typer.Argument(help="The clip dreamed.", metavar="SOURCE", show_default=False)
    ],
    dream: Annotated[
        Path, typer.Argument(help="The dream of it.", metavar="DREAM", show_default=False)
    ],
    *,
    against: Annotated[
        Path | None,
        typer.Option(
            help="Another dream of it, best one made with --no-carry: the excess flicker is the "
            "share of its flicker that is left.",
            metavar="OTHER",
            show_default=False,
        ),
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            help="Layer of the objective; what DREAM was dreamed on, where it says.",
            metavar="NAME[=WEIGHT]",
            show_default=False,
        ),
    ] = None,
    network: Annotated[
        str | None, typer.Option(help="Network of the objective.", show_default=False)
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Draw the figures over time, and x-t slices.", metavar="PNG", show_default=False
        ),
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(
            help="Draw the trace of DREAM under the figures: the FILE of `video --trace FILE`.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    table: Annotated[
        Path | None,
        typer.Option(
            "--csv", help="Write each frame's figures.", metavar="FILE", show_default=False
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print all figures, of each frame too, as JSON.")
    ] = False,
    frames: ClipOptions,
    machine: MachineOptions,
    overwrite: OverwriteOption = False,
    debug: DebugOption = False,
) -> None:
    """Measure how well a dream holds on to its clip.

    E_warp (Lai et al. 2018): mean squared difference, RGB in 0 to 1, of each frame to the one
    before, moved along the source's motion; long-term, to the first frame of its shot. Near the
    source's own is good: 1 to 2 times. Excess flicker: what the dream adds to it, as a share of
    what --against adds; below 0.03 the eye sees none, 1 is dreaming each frame by itself.
    Objective: how strongly the layer responds; the same as that of --against is as strong.
    Residual: how far the dream is from the source; steady over a shot. Weakest tile: the same of
    that tile of a grid of 4x4 where it is least, against the strong ones, or against the same tile
    of --against; near 0 a part of the frame is bare.
    Sharpness: variance of the Laplacian. Colour drift: change of the mean colour within a shot;
    below 1 level is steady. The verdicts say what is good, fair or poor by these bounds.
    """
    from dreamflow.media.read.clip import Clip
    from dreamflow.media.write.metadata import read_record_if_any, read_recorded_settings
    from dreamflow.media.write.output_path import check_output
    from dreamflow.reports.coherence.measurement import measure_coherence as measured_clips
    from dreamflow.reports.coherence.verdict import judge_measurements

    record = read_record_if_any(dream)
    made_from = record.get("source")
    if made_from and made_from != source.name:
        terminal.print_warning(f"{dream.name} was made from {made_from}, not from {source.name}")
    known = read_recorded_settings(dream)
    dreams = [Clip(path, ClipOptions()) for path in (dream, against) if path]
    for path in (path for path in (plot, table) if path):
        check_output(path, overwrite, [source, dream])
    if plot and plot.suffix.lower() != ".png":
        raise OutputError(f"{plot}: a plot is a .png file")
    if trace and not plot:
        raise SettingsError(f"{named('trace')} is drawn into a plot: give {named('plot')} too")
    from dreamflow.reports.coherence.trace_panels import build_trace_panels, read_trace_file

    traces = read_trace_file(trace) if trace else []
    original = Clip(source, resolve_source_options(frames, known, dreams[0]))
    for clip in dreams:
        clip.width, clip.height = original.width, original.height
    used = apply_machine_options(machine)
    made_with = record.get("network", {})
    objective = load_objective(layer, network, known, made_with, machine, used, original.timeline)
    title = f"measuring {' and '.join(clip.path.name for clip in dreams)}"
    with stop_on_ctrl_c(), terminal.progress_bar(title, len(original)) as progress:
        found = measured_clips(original, dreams, objective, progress=progress)
    if table:
        write_figures_csv(table, found[0])
    if plot:
        from dreamflow.reports.coherence.plot import plot_measurements

        panels = build_trace_panels(traces, found[0].frame_indices) if traces else []
        plot_measurements(plot, found, panels)
    said = judge_measurements(found, known.get("matte") is not None, has_scheduled_settings(known))
    if as_json:
        typer.echo(figures_to_json(found, said))
    else:
        print_figures(source, found, said)


def resolve_source_options(
    frames: ClipOptions, dream_settings: dict[str, Any], dream: Clip
) -> ClipOptions:
    """Return which frames of the source were dreamed, and the size to measure at."""
    if frames == replace(ClipOptions(), size=frames.size, decoder=frames.decoder):
        taken = {
            name: dream_settings[name]
            for name in ("start", "end", "every", "fps")
            if name in dream_settings
        }
        frames = replace(frames, **taken)
    if frames.size is None:
        longest = min(max(dream.width, dream.height), MAX_MEASURED_SIDE_PX)
        frames = replace(frames, size=str(longest))
    return frames


def load_objective(
    layer: list[str] | None,
    network: str | None,
    dream_settings: dict[str, Any],
    recorded_network: dict[str, Any],
    machine: MachineOptions,
    used: Machine,
    timeline: Timeline,
) -> ObjectiveAtTime | None:
    """Return what the dream climbed, towards its guide if it has one.

    made_with: the network of the dream's record. timeline: of the frames. None where neither the
    dream nor the user says it.
    """
    layers = layer or dream_settings.get("layer")
    if not layers:
        if network:
            raise SettingsError("--network says where, but not what: give a --layer too")
        return None
    if layer is None and parse_layer_schedule(tuple(layers)):
        warnings.warn(
            "it was dreamed on layers that change: give one as --layer for the objective",
            DreamFlowWarning,
            2,
        )
        return None
    from dreamflow.pipelines.settings.timeline import SettingsTimeline

    name = network or dream_settings.get("network") or DreamOptions.network
    digest = (
        recorded_network.get("weights_sha256") if recorded_network.get("name") == name else None
    )
    loaded = load_and_check_network(name, digest or "", machine, used)
    options = DreamOptions(layer=tuple(layers), **read_reference_settings(dream_settings))
    course = SettingsTimeline(loaded, options, CarryOptions(), timeline)
    return lambda time: course.at(time).objective


def load_and_check_network(
    name: str, expected_sha256: str, machine: MachineOptions, used: Machine
) -> Network:
    """Return a network; warn where its weights are not those that the dream was made with.

    digest: their SHA-256, or "" where it is not known. Raises WeightsError where there are none.
    """
    from dreamflow.networks.loading import load_network

    theirs = f"it was dreamed with the weights of {name} whose SHA-256 begins with {expected_sha256[:12]}"
    try:
        loaded = load_network(name, machine.weights, machine=used)
    except WeightsError as error:
        if expected_sha256:
            error.add_note(theirs)
        raise
    if expected_sha256 and loaded.weights_hash != expected_sha256:
        give = "give those" if machine.weights else "give them as --weights FILE"
        terminal.print_warning(f"{theirs}, and is measured with others: {give}")
    return loaded


def read_reference_settings(dream_settings: dict[str, Any]) -> dict[str, Any]:
    """Return the guide of a dream, if it is there, and how much it counted; and say so."""
    from dreamflow.media.read.picture_folder import glob_pictures

    guide = dream_settings.get("guided_by")
    if guide is None:
        return {}
    if not Path(guide).exists() and not glob_pictures(Path(guide)):
        terminal.print_warning(
            f"it was guided by {guide}, which is not there: it is measured without"
        )
        return {}
    terminal.print_note(f"the objective is the product with the guide, {guide}")
    return {
        name: dream_settings[name] for name in ("guided_by", "guidance") if name in dream_settings
    }


def has_scheduled_settings(dream_settings: dict[str, Any]) -> bool:
    """Return whether some of an output's settings change over time."""
    return any(
        setting.metadata["scheduled"]
        and setting.name in dream_settings
        and as_schedule(group.validate_value(setting.name, dream_settings[setting.name]))
        is not None
        for group in (DreamOptions, CarryOptions, ShowOptions)
        for setting in fields(group)
    )


def print_figures(
    source: Path, measurements: list[Measurement], verdict_by_figure: dict[str, str]
) -> None:
    """Print the figures of the whole, dream beside dream, and what those of the first say."""
    from dreamflow.reports.coherence.verdict import EXCESS_FLICKER_METRIC, compare_measurements

    summaries = [measured.summarise() for measured in measurements]
    rows = [
        [
            name,
            *(f"{summary[name]:.4g}" if name in summary else "-" for summary in summaries),
            verdict_by_figure.get(name, ""),
        ]
        for name in summaries[0]
    ]
    shares = compare_measurements(measurements)
    if len(measurements) > 1:
        shares = {EXCESS_FLICKER_METRIC: math.nan} | shares
        for name, share in shares.items():
            label = name if name == EXCESS_FLICKER_METRIC else f"{name} / {measurements[1].name}"
            shown = "-" if math.isnan(share) else f"{share:.3f}"
            rows.append([label, shown, "1", verdict_by_figure.get(name, "")])
    verdict = f"verdict on {measurements[0].name}" if len(measurements) > 1 else "verdict"
    columns = [("figure", "left"), *((measured.name, "right") for measured in measurements)]
    print_table(f"dreams of {source.name}", [*columns, (verdict, "left")], rows)
    if len(measurements) == 1:
        typer.echo("for excess flicker, strength and sharpness: --against one made with --no-carry")


def figures_to_json(measurements: list[Measurement], verdict_by_figure: dict[str, str]) -> str:
    """Return all figures as JSON."""
    from dreamflow.reports.coherence.verdict import EXCESS_FLICKER_METRIC, compare_measurements

    dreams = [
        {"name": m.name, "cuts_s": m.cut_times_s, "whole": m.summarise(), "frames": m.to_rows()}
        for m in measurements
    ]
    excess = compare_measurements(measurements).get(EXCESS_FLICKER_METRIC)
    return json.dumps(
        {"dreams": dreams, "excess_flicker": excess, "verdicts": verdict_by_figure}, indent=2
    )


def write_figures_csv(path: Path, measured: Measurement) -> None:
    """Write each frame's figures, one frame a line."""
    rows = measured.to_rows()
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
