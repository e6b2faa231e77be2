"""The trace file of a render, read and drawn: what the temporal step's controller saw and did.

The file has one JSON object for each frame, as `dreamflow video --trace FILE` writes it. Every
number in it has a name made of its keys, such as `effort`, `controller.0.overshoot`,
`numbers.energy.2` or `milliseconds.refine`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dreamflow.core.errors import MediaError
from dreamflow.core.files.documents import is_table, parse_json
from dreamflow.core.files.regular_file import MAX_TRACE_BYTES, read_file_text
from dreamflow.reports.coherence.plot import PlotLine, PlotPanel

CONTROLLER_PREFIX, NUMBERS_PREFIX, STAGES_PREFIX = "controller.", "numbers.", "milliseconds."
ENERGY_PREFIX, SETPOINT_PREFIX = f"{NUMBERS_PREFIX}energy.", f"{NUMBERS_PREFIX}setpoint."
CARRIED_NUMBERS = {"confidence", "effort", "iterations", "step", "crops", "regrow_step"}
"""Numbers of a carried frame only: in a fresh frame's trace they are 0, and are left out."""
SHARES = ("coverage", "young_share", "missing")
"""Numbers that are shares of the frame, or of a fresh dream's amplitude, drawn on one axis."""
SHARE_AXIS = (-0.02, 1.02)
BAND_COLOURS = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown")
"""Colours of the bands, fine to coarse; a setpoint has that of its band."""


@dataclass(frozen=True)
class FrameTrace:
    """The trace of one frame: all of its numbers, by name."""

    frame: int
    numbers: Mapping[str, float]


def read_trace_file(path: Path) -> list[FrameTrace]:
    """Return the traces of a file in the order of their frames.

    Where a frame was traced more than once, since a render was resumed before it, the last counts.

    Raises:
        MediaError: The file cannot be read, holds no frame, or a line in it is no trace of a frame.
    """
    try:
        lines = read_file_text(path, MAX_TRACE_BYTES).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a text file"
        raise MediaError(f"{path} cannot be read: {reason}", where=str(path)) from error
    traces: dict[int, FrameTrace] = {}
    for number, line in enumerate(lines, start=1):
        trace = _parse_trace(line)
        if trace is None:
            raise MediaError(
                f"{path}, line {number} is no trace of a frame: give a file that "
                "`dreamflow video --trace FILE` wrote",
                where=f"{path}, line {number}",
            )
        traces[trace.frame] = trace
    if not traces:
        raise MediaError(f"{path} holds no trace of a frame", where=str(path))
    return [traces[frame] for frame in sorted(traces)]


def _parse_trace(line: str) -> FrameTrace | None:
    try:
        row = parse_json(line)
    except ValueError:
        return None
    if not is_table(row) or type(row.get("frame")) is not int:
        return None
    if row.get("fresh"):
        row = {name: value for name, value in row.items() if name not in CARRIED_NUMBERS}
    numbers = _flatten(row)
    return None if numbers is None else FrameTrace(row["frame"], numbers)


def _flatten(row: Mapping[str, Any], prefix: str = "") -> dict[str, float] | None:
    """Return the numbers of nested objects by joined name; None where something else is in them."""
    numbers: dict[str, float] = {}
    for key, value in row.items():
        if is_table(value):
            nested = _flatten(value, f"{prefix}{key}.")
            if nested is None:
                return None
            numbers |= nested
        elif value is None or isinstance(value, int | float):
            numbers[f"{prefix}{key}"] = math.nan if value is None else float(value)
        else:
            return None
    return numbers


class TraceTable:
    """The numbers of a trace as series, with a value for each of some frames.

    Attributes:
        names: Names of all numbers, in the order of the file.
    """

    def __init__(self, traces: Sequence[FrameTrace], frame_indices: Sequence[int]) -> None:
        """Choose the frames.

        Args:
            traces: The traces of a render.
            frame_indices: Index in the source of each frame to take.

        Raises:
            MediaError: The traces are those of other frames.
        """
        by_frame = {trace.frame: trace.numbers for trace in traces}
        self._rows = [by_frame.get(index, {}) for index in frame_indices]
        if not any(self._rows):
            raise MediaError(
                f"the trace is of frames {traces[0].frame} to {traces[-1].frame}, the dream of "
                f"{frame_indices[0]} to {frame_indices[-1]}: give the trace of this dream"
            )
        self.names = list(dict.fromkeys(name for row in self._rows for name in row))

    def series(self, name: str) -> np.ndarray:
        """Return a number of every frame, float64 (frames,), NaN where it has none."""
        return np.array([row.get(name, math.nan) for row in self._rows], np.float64)

    def lines(self, labels: Mapping[str, str]) -> list[PlotLine]:
        """Return a line for each number that has values; labels: by the number's name."""
        lines = [PlotLine(label, self.series(name)) for name, label in labels.items()]
        return [line for line in lines if not np.isnan(line.values).all()]


def build_trace_panels(
    traces: Sequence[FrameTrace], frame_indices: Sequence[int]
) -> list[PlotPanel]:
    """Return the panels of a trace, with a value for each measured frame.

    Args:
        traces: The traces of a render.
        frame_indices: Index in the source of each frame that is measured.

    Raises:
        MediaError: The traces are those of other frames.
    """
    table = TraceTable(traces, frame_indices)
    shares = {NUMBERS_PREFIX + name: name.replace("_", " ") for name in SHARES}
    work = {"iterations": "iterations", "crops": "crops", "regrow_step": "regrow step, levels"}
    stages = {
        name: name.removeprefix(STAGES_PREFIX)
        for name in table.names
        if name.startswith(STAGES_PREFIX)
    }
    panels = [
        PlotPanel("controller", table.lines(_controller_labels(table.names))),
        PlotPanel("rms by band\n(dashed: setpoint)", _energy_lines(table), logarithmic=True),
        PlotPanel("shares", table.lines({"confidence": "confidence", **shares}), limits=SHARE_AXIS),
        PlotPanel("work", table.lines(work)),
        PlotPanel("ms by stage", table.lines(stages), stacked=True),
    ]
    return [panel for panel in panels if panel.lines]


def _controller_labels(names: Sequence[str]) -> dict[str, str]:
    """Return the labels of the controller's numbers; of several keyframes, with the keyframe."""
    parts = [name.split(".") for name in names if name.startswith(CONTROLLER_PREFIX)]
    several = len({keyframe for _, keyframe, *_ in parts}) > 1
    labels: dict[str, str] = {}
    for quantity in ("overshoot", "base_effort"):
        for _, keyframe, *rest in parts:
            if rest == [quantity]:
                label = quantity.replace("_", " ")
                name = f"{CONTROLLER_PREFIX}{keyframe}.{quantity}"
                labels[name] = f"{label}, keyframe {keyframe}" if several else label
    return labels | {"effort": "effort"}


def _energy_lines(table: TraceTable) -> list[PlotLine]:
    """Return a line for the energy of each band, and a dashed one for its setpoint."""
    bands = [
        name.removeprefix(ENERGY_PREFIX) for name in table.names if name.startswith(ENERGY_PREFIX)
    ]
    lines: list[PlotLine] = []
    for number, band in enumerate(bands):
        colour = BAND_COLOURS[number % len(BAND_COLOURS)]
        label = f"band {band}" if band.isdecimal() else band
        for prefix, text, style in ((ENERGY_PREFIX, label, "-"), (SETPOINT_PREFIX, "", "--")):
            values = table.series(prefix + band)
            # A logarithmic axis has no place for 0.
            values[~(values > 0)] = math.nan
            if not np.isnan(values).all():
                lines.append(PlotLine(text, values, colour, style))
    return lines
