"""`dreamflow measure`: measure how coherent a dream is."""

from __future__ import annotations

import warnings
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dreamflow.cli.binding import with_options
from dreamflow.cli.measure_figures import figures_to_json, print_figures, write_figures_csv
from dreamflow.cli.prepare import apply_machine_options, list_input_paths, stop_on_ctrl_c
from dreamflow.cli.progress.bars import progress_bar
from dreamflow.cli.progress.options import ProgressOptions
from dreamflow.cli.registry import Command, Section
from dreamflow.cli.shared_options import DebugOption, OverwriteOption
from dreamflow.cli.terminal import print_note, print_warning
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
    from dreamflow.reports.coherence.measurement import ObjectiveAtTime

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
            help="Another dream of the clip to compare with, best one with --no-carry.",
            metavar="OTHER",
            show_default=False,
        ),
    ] = None,
    layer: Annotated[
        list[str] | None,
        typer.Option(
            help="Layer whose response is measured; without it, the one that DREAM was made with.",
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
            help="Draw the trace of DREAM under the figures: the FILE of `video --trace FILE`.",
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
    from dreamflow.media.embedded_settings import read_record_if_any, read_recorded_settings
    from dreamflow.media.read.clip import Clip
    from dreamflow.media.write.output_path import check_output
    from dreamflow.pipelines.settings.paths import locate_settings
    from dreamflow.reports.coherence.measurement import measure_coherence
    from dreamflow.reports.coherence.trace_panels import build_trace_panels, read_trace_file
    from dreamflow.reports.coherence.verdict import judge_measurements

    record = read_record_if_any(dream)
    settings = locate_settings(read_recorded_settings(dream), dream)
    recorded_source = record.get("source")
    if recorded_source and recorded_source != source.name:
        print_warning(f"{dream.name} was made from {recorded_source}, not from {source.name}")
    dreams = [Clip(path, ClipOptions()) for path in (dream, against) if path]
    for path in (path for path in (plot, table) if path):
        check_output(path, overwrite, list_input_paths([source, dream, against, trace], machine))
    if plot and plot.suffix.lower() != ".png":
        raise OutputError(f"{plot}: a plot is a .png file", setting="plot", value=plot)
    if trace and not plot:
        raise SettingsError(
            f"{named('trace')} is drawn into a plot: give {named('plot')} too", setting="trace"
        )
    traces = read_trace_file(trace) if trace else []
    original = Clip(source, resolve_source_options(frames, settings, dreams[0]))
    for clip in dreams:
        clip.width, clip.height = original.width, original.height
    used = apply_machine_options(machine)
    recorded_network = record.get("network", {})
    objective = load_objective(
        layer, network, settings, recorded_network, machine, used, original.timeline
    )
    title = f"measuring {' and '.join(clip.path.name for clip in dreams)}"
    with stop_on_ctrl_c(), progress_bar(title, len(original), kind=reporting.kind) as progress:
        measurements = measure_coherence(original, dreams, objective, progress=progress)
    if table:
        write_figures_csv(table, measurements[0])
    if plot:
        from dreamflow.reports.coherence.plot import plot_measurements

        panels = build_trace_panels(traces, measurements[0].frame_indices) if traces else []
        plot_measurements(plot, measurements, panels)
    has_matte = settings.get("matte") is not None
    verdicts = judge_measurements(measurements, has_matte, has_scheduled_settings(settings))
    if as_json:
        typer.echo(figures_to_json(measurements, verdicts))
    else:
        print_figures(source, measurements, verdicts)


MEASURE = Command(
    "measure",
    measure_command,
    Section.INSPECT,
    2,
    "dreamflow measure clip.mp4 dream.mp4 --against naive.mp4 --plot figures.png",
)


def resolve_source_options(
    frames: ClipOptions, dream_settings: dict[str, Any], dream: Clip
) -> ClipOptions:
    """Return which frames of the source were dreamed, and the size to measure at."""
    opening = {name: getattr(frames, name) for name in ("size", "decoder", "allow_playlist")}
    if frames == ClipOptions(**opening):
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
    """Return the objective of the dream at each time, guided by the same picture if there was one.

    Args:
        layer: Layers from the command line; None for those that the dream records.
        network: Name of the network; None for the one that the dream records.
        dream_settings: The settings that the dream records.
        recorded_network: The record of its network.
        machine: The options of the machine, among them the weights.
        used: The machine that the network computes on.
        timeline: The time of the frames.

    Returns:
        None where neither the dream nor the user names layers, or where they change.
    """
    layers = layer or dream_settings.get("layer")
    if not layers:
        if network:
            raise SettingsError(
                f"{named('network')} alone is no objective: give a {named('layer')} too",
                setting="layer",
            )
        return None
    if layer is None and parse_layer_schedule(tuple(layers)):
        warnings.warn(
            "the dream's layers change over time, so no objective is measured: to measure one, "
            f"give its {named('layer')}",
            DreamFlowWarning,
            2,
        )
        return None
    from dreamflow.pipelines.settings.timeline import SettingsTimeline

    name = network or dream_settings.get("network") or DreamOptions.network
    is_recorded = recorded_network.get("name") == name
    sha256 = recorded_network.get("weights_sha256") if is_recorded else None
    loaded = load_and_check_network(name, sha256 or "", machine, used)
    options = DreamOptions(layer=tuple(layers), **read_reference_settings(dream_settings))
    settings = SettingsTimeline(loaded, options, CarryOptions(), timeline)
    return lambda time: settings.at(time).objective


def load_and_check_network(
    name: str, expected_sha256: str, machine: MachineOptions, used: Machine
) -> Network:
    """Load a network, and warn where its weights are not those that the dream was made with.

    Args:
        name: The network.
        expected_sha256: SHA-256 of the dream's weights; "" where it is not known.
        machine: The options of the machine, among them the weights.
        used: The machine that the network computes on.

    Raises:
        WeightsError: There are no weights.
    """
    from dreamflow.networks.loading import load_network

    expected = (
        f"the dream was made with the weights of {name} whose SHA-256 begins with "
        f"{expected_sha256[:12]}"
    )
    try:
        network = load_network(name, machine.weights, machine=used)
    except WeightsError as error:
        if expected_sha256:
            error.add_note(expected)
        raise
    if expected_sha256 and network.weights_hash != expected_sha256:
        give = "give those" if machine.weights else "give them as --weights FILE"
        print_warning(f"{expected}, and is measured with others: {give}")
    return network


def read_reference_settings(dream_settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of the picture that guided a dream; none where it is gone. Print both."""
    from dreamflow.media.read.picture_files import match_pictures

    reference = dream_settings.get("guided_by")
    if reference is None:
        return {}
    if not Path(reference).exists() and not match_pictures(Path(reference)):
        print_warning(
            f"the dream was guided by {reference}, which is gone: it is measured without it"
        )
        return {}
    print_note(f"the objective is the product with the guide, {reference}")
    return {
        name: dream_settings[name] for name in ("guided_by", "guidance") if name in dream_settings
    }


def has_scheduled_settings(dream_settings: dict[str, Any]) -> bool:
    """Return whether any of the settings that an output records changes over time."""
    from dreamflow.pipelines.settings.presets import parse_setting_value

    return any(
        setting.metadata["scheduled"]
        and setting.name in dream_settings
        and as_schedule(parse_setting_value(setting.name, dream_settings[setting.name], (group,)))
        is not None
        for group in (DreamOptions, CarryOptions, ShowOptions)
        for setting in fields(group)
    )
