"""`dreamflow tune`: compare gains of the temporal step on a short clip."""

from __future__ import annotations

import functools
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dreamflow.cli.output.tables import Column, print_table
from dreamflow.cli.progress.bars import progress_bar
from dreamflow.cli.progress.options import ProgressOptions
from dreamflow.cli.registry import Command, Section
from dreamflow.cli.settings.binding import with_options
from dreamflow.cli.settings.prepare import check_layers, prepare_network, stop_on_ctrl_c
from dreamflow.cli.settings.shared_options import DebugOption, JsonOption
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.text.wording import format_count
from dreamflow.dream.options import DreamOptions
from dreamflow.media.options import ClipOptions
from dreamflow.temporal.options import CarryOptions

if TYPE_CHECKING:
    from dreamflow.reports.tune import TuningResult

DEFAULT_TUNE_SIZE = "320"
"""Longer side, in pixels, that a clip is dreamed at where no size is given."""


@functools.partial(with_options, without=("carry", "loop", "passes"))
def tune_command(
    clip: Annotated[Path, typer.Argument(help="A short clip.", metavar="CLIP", show_default=False)],
    *,
    gain: Annotated[
        list[str] | None,
        typer.Option(
            help="Values of a gain; repeat for several gains, all combinations are dreamed.",
            metavar="NAME=VALUE,...",
            show_default=False,
        ),
    ] = None,
    gains: Annotated[
        Path | None,
        typer.Option(
            help="TOML file with the gains that --gain does not set.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
    dream: DreamOptions,
    carry: CarryOptions,
    frames: ClipOptions,
    machine: MachineOptions,
    reporting: ProgressOptions,
    debug: DebugOption = False,
) -> None:
    """Compare gains of the temporal step: flicker, intensity, sharpness and time of each.

    A few seconds of a clip are dreamed frame by frame, and then once with each combination of the
    gains, all in memory. Excess flicker, intensity and sharpness are shares of the frame-by-frame
    dream (see `dreamflow measure`); time is the median of a carried frame.
    """
    from dreamflow.media.read.clip import Clip
    from dreamflow.reports.tune import (
        GainTuner,
        check_tuning_memory,
        make_gains,
        parse_gain_grid,
        result_to_row,
    )
    from dreamflow.temporal.control.gains_file import load_gains

    points, base = parse_gain_grid(gain or ()), load_gains(gains) if gains else None
    for point in points:
        make_gains(point, base)
    source = Clip(clip, replace(frames, size=frames.size or DEFAULT_TUNE_SIZE))
    check_tuning_memory(source)
    check_layers(dream, machine)
    network = prepare_network(dream.network, machine)
    with stop_on_ctrl_c():
        tuner = GainTuner(source, network, dream, carry, base)
        total = tuner.frame_count * (1 + len(points))
        results: list[TuningResult] = []
        with progress_bar(f"dreaming {clip.name}", total, kind=reporting.kind) as progress:
            tuner.dream_naive(progress)
            for number, point in enumerate(points, start=1):
                offset = number * tuner.frame_count
                results.append(
                    tuner.measure(point, lambda done, offset=offset: progress(offset + done))
                )
    if as_json:
        size = f"{source.width}x{source.height}"
        report = {"clip": clip.name, "frames": tuner.frame_count, "size": size}
        rows = [result_to_row(result) for result in results]
        typer.echo(json.dumps({**report, "points": rows}, indent=2))
        return
    title = f"{clip.name}: {format_count(tuner.frame_count, 'frame')}"
    print_results(f"{title} of {source.width}x{source.height}", results)


TUNE = Command(
    "tune",
    tune_command,
    Section.INSPECT,
    3,
    "dreamflow tune clip.mp4 --end 20 --gain p_exponent=12,24,48 --gain fill_step=1,2",
)


def print_results(title: str, results: list[TuningResult]) -> None:
    """Print a point of the grid a row."""

    def cell(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}"

    names = list(results[0].point)
    metrics = ("excess flicker", "intensity", "sharpness", "s a frame")
    columns: list[Column] = [(name, "right") for name in (*names, *metrics)]
    rows = [
        [
            *(str(result.point[name]) for name in names),
            cell(result.excess_flicker),
            cell(result.intensity),
            cell(result.sharpness),
            cell(result.seconds),
        ]
        for result in results
    ]
    print_table(title, columns, rows)
