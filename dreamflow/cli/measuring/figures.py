"""The figures of `dreamflow measure`: as a table, as JSON and as CSV."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from dreamflow.cli.output.tables import Column, print_table

if TYPE_CHECKING:
    from dreamflow.reports.measuring.comparison import MeasuredDream


def print_figures(source: Path, measured: MeasuredDream) -> None:
    """Print the figures of a dream, beside those of the one it is compared with, and verdicts."""
    from dreamflow.reports.coherence.verdict import (
        EXCESS_FLICKER_METRIC,
        compare_measurements,
        summarise_flicker,
    )

    measurements, verdict_by_figure = measured.measurements, measured.verdicts
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


def print_dreams(source: Path, measured: Sequence[MeasuredDream]) -> None:
    """Print a line for each of several dreams of a clip: what is judged, and the verdict."""
    from dreamflow.reports.coherence.verdict import BOUNDS_BY_METRIC

    values = [one.figures for one in measured]
    figures = [name for name in BOUNDS_BY_METRIC if any(name in one for one in values)]
    rows = [
        [
            label,
            *(f"{value[name]:.3g}" if name in value else "-" for name in figures),
            find_worst_verdict(one.verdicts),
        ]
        for label, one, value in zip(label_dreams(measured), measured, values, strict=True)
    ]
    columns: list[Column] = [("dream", "left"), *((name, "right") for name in figures)]
    against = measured[0].measurements[1:]
    title = f"dreams of {source.name}" + (f", against {against[0].name}" if against else "")
    print_table(title, [*columns, ("verdict", "left")], rows)


def label_dreams(measured: Sequence[MeasuredDream]) -> list[str]:
    """Return the name of each dream's file, or all paths where names are alike."""
    names = [one.path.name for one in measured]
    return names if len(set(names)) == len(names) else [str(one.path) for one in measured]


def find_worst_verdict(verdict_by_figure: dict[str, str]) -> str:
    """Return what is worst about a dream, and in which figure; `good` where all of it is."""
    for word in ("poor", "fair"):
        for name, verdict in verdict_by_figure.items():
            if verdict.startswith(word):
                return f"{verdict} ({name})"
    return "good"


def figures_to_json(measured: Sequence[MeasuredDream]) -> str:
    """Return all figures as JSON: an object, or a list of them for several dreams."""
    from dreamflow.reports.coherence.verdict import EXCESS_FLICKER_METRIC, compare_measurements

    reports = [
        {
            "dreams": [
                {
                    "name": m.name,
                    "cuts_s": m.cut_times_s,
                    "whole": m.summarise(),
                    "frames": m.to_rows(),
                }
                for m in one.measurements
            ],
            "excess_flicker": compare_measurements(one.measurements).get(EXCESS_FLICKER_METRIC),
            "verdicts": one.verdicts,
        }
        for one in measured
    ]
    return json.dumps(reports[0] if len(reports) == 1 else reports, indent=2)


def write_figures_csv(path: Path, measured: Sequence[MeasuredDream]) -> None:
    """Write the figures of each frame, one frame a line; those of several dreams with its name."""
    rows = [
        row if len(measured) == 1 else {"dream": label, **row}
        for label, one in zip(label_dreams(measured), measured, strict=True)
        for row in one.measurements[0].to_rows()
    ]
    fields = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fields)
        writer.writeheader()
        writer.writerows(rows)
