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
from dreamflow.cli.listing import print_table
from dreamflow.cli.prepare import set_machine, stoppable
from dreamflow.errors import DreamFlowWarning, OutputError, SettingsError, WeightsError
from dreamflow.options import (
    CarryOptions,
    ClipOptions,
    DreamOptions,
    MachineOptions,
    ShowOptions,
)
from dreamflow.schedule import layer_schedule, schedule_of

if TYPE_CHECKING:
    from dreamflow.clock import Timeline
    from dreamflow.media.clip import Clip
    from dreamflow.networks import Network
    from dreamflow.render.measuring import Measured, ObjectiveAt

EXAMPLE = "Example: dreamflow measure clip.mp4 dream.mp4 --against naive.mp4 --plot figures.png"
LARGEST_PX = 480
"""Dreams larger than this are measured at this size, unless --size says otherwise."""


@with_options
def measure(
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
    from dreamflow.media.clip import Clip
    from dreamflow.media.metadata import record_of, settings_of
    from dreamflow.media.writer import check_output
    from dreamflow.render.measuring import measure as measured_clips
    from dreamflow.render.verdict import verdicts

    record = record_of(dream)
    made_from = record.get("source")
    if made_from and made_from != source.name:
        terminal.warning(f"{dream.name} was made from {made_from}, not from {source.name}")
    known = settings_of(dream)
    dreams = [Clip(path, ClipOptions()) for path in (dream, against) if path]
    for path in (path for path in (plot, table) if path):
        check_output(path, overwrite, [source, dream])
    if plot and plot.suffix.lower() != ".png":
        raise OutputError(f"{plot}: a plot is a .png file")
    original = Clip(source, source_options(frames, known, dreams[0]))
    for clip in dreams:
        clip.width, clip.height = original.width, original.height
    set_machine(machine)
    made_with = record.get("network", {})
    objective = objective_of(layer, network, known, made_with, machine, original.timeline)
    title = f"measuring {' and '.join(clip.path.name for clip in dreams)}"
    with stoppable(), terminal.progress_bar(title, len(original)) as progress:
        found = measured_clips(original, dreams, objective, progress=progress)
    if table:
        write_table(table, found[0])
    if plot:
        from dreamflow.render.plot import draw

        draw(plot, found)
    said = verdicts(found, known.get("matte") is not None, changing(known))
    if as_json:
        typer.echo(as_text(found, said))
    else:
        print_figures(source, found, said)


def source_options(frames: ClipOptions, known: dict[str, Any], dream: Clip) -> ClipOptions:
    """Return which frames of the source were dreamed, and the size to measure at."""
    if frames == replace(ClipOptions(), size=frames.size, decoder=frames.decoder):
        taken = {name: known[name] for name in ("start", "end", "every", "fps") if name in known}
        frames = replace(frames, **taken)
    if frames.size is None:
        longest = min(max(dream.width, dream.height), LARGEST_PX)
        frames = replace(frames, size=str(longest))
    return frames


def objective_of(
    layer: list[str] | None,
    network: str | None,
    known: dict[str, Any],
    made_with: dict[str, Any],
    machine: MachineOptions,
    timeline: Timeline,
) -> ObjectiveAt | None:
    """Return what the dream climbed, towards its guide if it has one.

    made_with: the network of the dream's record. timeline: of the frames. None where neither the
    dream nor the user says it.
    """
    layers = layer or known.get("layer")
    if not layers:
        if network:
            raise SettingsError("--network says where, but not what: give a --layer too")
        return None
    if layer is None and layer_schedule(tuple(layers)):
        warnings.warn(
            "it was dreamed on layers that change: give one as --layer for the objective",
            DreamFlowWarning,
            2,
        )
        return None
    from dreamflow.journeys.course import Course

    name = network or known.get("network") or DreamOptions.network
    digest = made_with.get("weights_sha256") if made_with.get("name") == name else None
    loaded = network_with(name, digest or "", machine)
    options = DreamOptions(layer=tuple(layers), **guidance_of(known))
    course = Course(loaded, options, CarryOptions(), timeline)
    return lambda time: course.at(time).objective


def network_with(name: str, digest: str, machine: MachineOptions) -> Network:
    """Return a network; warn where its weights are not those that the dream was made with.

    digest: their SHA-256, or "" where it is not known. Raises WeightsError where there are none.
    """
    from dreamflow.networks import load_network

    theirs = f"it was dreamed with the weights of {name} whose SHA-256 begins with {digest[:12]}"
    try:
        loaded = load_network(name, machine.weights, machine.device, machine.precision)
    except WeightsError as error:
        if digest:
            error.add_note(theirs)
        raise
    if digest and loaded.weights_hash != digest:
        give = "give those" if machine.weights else "give them as --weights FILE"
        terminal.warning(f"{theirs}, and is measured with others: {give}")
    return loaded


def guidance_of(known: dict[str, Any]) -> dict[str, Any]:
    """Return the guide of a dream, if it is there, and how much it counted; and say so."""
    from dreamflow.media.pictures import matches

    guide = known.get("guided_by")
    if guide is None:
        return {}
    if not Path(guide).exists() and not matches(Path(guide)):
        terminal.warning(f"it was guided by {guide}, which is not there: it is measured without")
        return {}
    terminal.note(f"the objective is the product with the guide, {guide}")
    return {name: known[name] for name in ("guided_by", "guidance") if name in known}


def changing(known: dict[str, Any]) -> bool:
    """Return whether some of an output's settings change over time."""
    return any(
        setting.metadata["scheduled"]
        and setting.name in known
        and schedule_of(group.alone(setting.name, known[setting.name])) is not None
        for group in (DreamOptions, CarryOptions, ShowOptions)
        for setting in fields(group)
    )


def print_figures(source: Path, found: list[Measured], said: dict[str, str]) -> None:
    """Print the figures of the whole, dream beside dream, and what those of the first say."""
    from dreamflow.render.verdict import EXCESS, compared

    summaries = [measured.summary() for measured in found]
    rows = [
        [
            name,
            *(f"{summary[name]:.4g}" if name in summary else "-" for summary in summaries),
            said.get(name, ""),
        ]
        for name in summaries[0]
    ]
    shares = compared(found)
    if len(found) > 1:
        shares = {EXCESS: math.nan} | shares
        for name, share in shares.items():
            label = name if name == EXCESS else f"{name} / {found[1].name}"
            shown = "-" if math.isnan(share) else f"{share:.3f}"
            rows.append([label, shown, "1", said.get(name, "")])
    verdict = f"verdict on {found[0].name}" if len(found) > 1 else "verdict"
    columns = [("figure", "left"), *((measured.name, "right") for measured in found)]
    print_table(f"dreams of {source.name}", [*columns, (verdict, "left")], rows)
    if len(found) == 1:
        typer.echo("for excess flicker, strength and sharpness: --against one made with --no-carry")


def as_text(found: list[Measured], said: dict[str, str]) -> str:
    """Return all figures as JSON."""
    from dreamflow.render.verdict import EXCESS, compared

    dreams = [
        {"name": m.name, "cuts_s": m.cuts, "whole": m.summary(), "frames": m.per_frame()}
        for m in found
    ]
    excess = compared(found).get(EXCESS)
    return json.dumps({"dreams": dreams, "excess_flicker": excess, "verdicts": said}, indent=2)


def write_table(path: Path, measured: Measured) -> None:
    """Write each frame's figures, one frame a line."""
    rows = measured.per_frame()
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
