"""The figures of `dreamflow measure`: as a table, as JSON and as CSV."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dreamflow.cli.tables import Column, print_table

if TYPE_CHECKING:
    from dreamflow.reports.coherence.measurement import Measurement


def print_figures(
    source: Path, measurements: list[Measurement], verdict_by_figure: dict[str, str]
) -> None:
    """Print the figures of whole dreams side by side, and the verdicts on the first."""
    from dreamflow.reports.coherence.verdict import (
        EXCESS_FLICKER_METRIC,
        compare_measurements,
        summarise_flicker,
    )

    summaries = [measurement.summarise() for measurement in measurements]
    rows = [
        [
            name,
            *(f"{summary[name]:.4g}" if name in summary else "-" for summary in summaries),
            verdict_by_figure.get(name, ""),
        ]
        for name in summaries[0]
    ]
    is_compared = len(measurements) > 1
    if (sentence := summarise_flicker(measurements, verdict_by_figure)) is not None:
        typer.echo(sentence)
    if is_compared:
        ratios = {EXCESS_FLICKER_METRIC: math.nan} | compare_measurements(measurements)
        for name, ratio in ratios.items():
            label = name if name == EXCESS_FLICKER_METRIC else f"{name} / {measurements[1].name}"
            shown = "-" if math.isnan(ratio) else f"{ratio:.3f}"
            rows.append([label, shown, "1", verdict_by_figure.get(name, "")])
    names = (measurement.name for measurement in measurements)
    columns: list[Column] = [("figure", "left"), *((name, "right") for name in names)]
    verdict = f"verdict on {measurements[0].name}" if is_compared else "verdict"
    print_table(f"dreams of {source.name}", [*columns, (verdict, "left")], rows)
    if not is_compared:
        typer.echo(
            "for excess flicker, intensity and sharpness: --against one made with --no-carry"
        )


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


def write_figures_csv(path: Path, measurement: Measurement) -> None:
    """Write the figures of each frame, one frame a line."""
    rows = measurement.to_rows()
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
