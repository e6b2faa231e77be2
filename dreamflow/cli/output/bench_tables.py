"""Tables of `dreamflow bench`, and the figures of an earlier run that they compare with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import typer

from dreamflow.cli.output.tables import Column, print_table
from dreamflow.core.errors import SettingsError, named
from dreamflow.core.files.documents import parse_json
from dreamflow.core.files.regular_file import read_file_text
from dreamflow.core.text.wording import format_count

MIN_COMPARABLE_S = 1e-4
"""Seconds of a stage in a frame; shorter ones are not compared with an earlier run."""
TOTAL_LABEL, STARTUP_LABEL = "all", "start-up"


def load_earlier_times(path: Path, kind: Literal["passes", "render"]) -> dict[str, float]:
    """Return the times of an earlier run's `--json`, by layer in ms, or by stage in s a frame.

    Raises:
        SettingsError: The file cannot be read, or is not of this kind.
    """
    try:
        result = parse_json(read_file_text(path))[kind]
        if kind == "passes":
            return {str(row["layer"]): float(row["ms"]) for row in result}
        times = {str(name): float(row["s"]) for name, row in result["stages"].items()}
        times = {name: seconds / result["frames"] for name, seconds in times.items()}
        return times | {
            TOTAL_LABEL: 1 / float(result["fps"]),
            STARTUP_LABEL: float(result["startup_s"]),
        }
    except OSError as error:
        raise SettingsError(
            f"{named('against')} {path}: {error.strerror}", setting="against", value=path
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
        command = "dreamflow bench" if kind == "passes" else "dreamflow bench --render"
        raise SettingsError(
            f"{named('against')} {path}: this is not the {named('json')} of `{command}`",
            setting="against",
            value=path,
        ) from error


def print_pass_times(
    title: str, passes: Sequence[Mapping[str, Any]], earlier_ms: Mapping[str, float]
) -> None:
    """Print a table with a row for each layer, and its speed-up over an earlier run if given."""
    headings = ("ms", "GFLOP", "GFLOP/s", "efficiency")
    columns: list[Column] = [("layer", "left"), *((heading, "right") for heading in headings)]
    if earlier_ms:
        columns.append(("times as fast", "right"))
    table: list[list[str]] = []
    for row in passes:
        cells = [row["layer"], f"{row['ms']:.1f}", f"{row['gflop']:.2f}"]
        cells += [f"{row['gflop_per_s']:.0f}", f"{row['efficiency']:.2f}"]
        if earlier_ms:
            before_ms = earlier_ms.get(row["layer"])
            cells.append("-" if before_ms is None else f"{before_ms / row['ms']:.2f}")
        table.append(cells)
    print_table(title, columns, table)


def print_render_times(title: str, render: Mapping[str, Any], earlier_s: dict[str, float]) -> None:
    """Print a table with a row for each stage, and a line about the whole."""
    columns: list[Column] = [("stage", "left"), ("ms a frame", "right"), ("share", "right")]
    columns.append(("in other threads, ms", "right"))
    if earlier_s:
        columns.append(("times as fast", "right"))
    frames: int = render["frames"]
    table: list[list[str]] = []
    for name, row in render["stages"].items():
        other = f"{1000 * row['beside_s'] / frames:.1f}" if row["beside_s"] else ""
        cells = [name, f"{1000 * row['s'] / frames:.1f}", f"{row['share']:.1%}", other]
        table.append([*cells, format_speedup(earlier_s, name, row["s"] / frames)][: len(columns)])
    frame_s = 1 / render["fps"]
    cells = [TOTAL_LABEL, f"{1000 * frame_s:.1f}", "100.0%", ""]
    table.append([*cells, format_speedup(earlier_s, TOTAL_LABEL, frame_s)][: len(columns)])
    print_table(title, columns, table)
    typer.echo(format_render_line(render, earlier_s))


def format_render_line(render: Mapping[str, Any], earlier_s: dict[str, float]) -> str:
    """Return frames a second, time outside of dreaming, start-up and memory, on one line."""
    rounds = format_count(len(render["wall_s"]), "round")
    frames = format_count(render["frames"], "frame")
    memory = ", ".join(f"{mb} MB {where}" for where, mb in render["memory_mb"].items())
    startup = f"start-up {render['startup_s']:.1f} s"
    if STARTUP_LABEL in earlier_s:
        speedup = format_speedup(earlier_s, STARTUP_LABEL, render["startup_s"])
        startup += f" ({speedup} times as fast)"
    outside = 1 - render["stages"]["dream"]["share"]
    return (
        f"{rounds} of {frames}: {render['fps']:.2f} frames a second, {outside:.1%} of the time "
        f"outside of dreaming; {startup}; memory {memory or 'not known'}"
    )


def format_speedup(earlier_s: dict[str, float], name: str, now_s: float) -> str:
    """Return how many times as fast a stage is now; "-" where either time is too short to tell."""
    before_s = earlier_s.get(name, 0.0)
    return f"{before_s / now_s:.2f}" if min(before_s, now_s) > MIN_COMPARABLE_S else "-"
