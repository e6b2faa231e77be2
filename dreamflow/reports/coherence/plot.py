"""A plot of a dream's metrics over time, with x-t slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dreamflow.reports.coherence.measurement import Measurement

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLOT_WIDTH_IN = 12.0
PLOT_DPI = 110
PANEL_HEIGHT_IN = 1.5
SLICE_HEIGHT_IN = 2.2
DREAM_LINE_COLOURS = (
    *("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple"),
    *("tab:brown", "tab:pink", "tab:olive", "tab:cyan"),
)
SOURCE_LINE_COLOUR = "0.6"


@dataclass(frozen=True)
class PlotLine:
    """A line of a panel.

    Attributes:
        label: Its name in the legend; empty for none.
        values: A value for each frame, NaN where there is none.
        colour: Colour, as matplotlib names it; None takes the next one.
        style: Style, as matplotlib writes it: "-" or "--".
    """

    label: str
    values: np.ndarray
    colour: str | None = None
    style: str = "-"


@dataclass(frozen=True)
class PlotPanel:
    """A panel of the plot: lines over the frames' times.

    Attributes:
        title: Label of its axis.
        lines: Its lines.
        stacked: Whether the lines are areas on top of each other.
        logarithmic: Whether its axis is logarithmic.
        limits: Lowest and highest value shown; None fits them to the lines.
        from_zero: Whether its axis begins at 0, so that a small change of an amount looks small.
    """

    title: str
    lines: Sequence[PlotLine] = field(default_factory=list[PlotLine])
    stacked: bool = False
    logarithmic: bool = False
    limits: tuple[float, float] | None = None
    from_zero: bool = False


def plot_measurements(
    path: Path, measurements: Sequence[Measurement], more_panels: Sequence[PlotPanel] = ()
) -> None:
    """Draw dreams of one source into a picture.

    Panels of metrics, then x-t slices, then further panels. A slice shows one row of the picture
    over time: what holds still is a clean streak, what flickers is grain. Dashed lines mark cuts.

    Args:
        path: The PNG to write.
        measurements: Measurements of the same frames of the source.
        more_panels: Panels to draw below, with as many values as there are frames.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    first = measurements[0]
    panels = build_metric_panels(measurements)
    slices = [("source", first.xt_slices[0]), *((m.name, m.xt_slices[1]) for m in measurements)]
    heights = [PANEL_HEIGHT_IN] * len(panels) + [SLICE_HEIGHT_IN] * len(slices)
    heights += [PANEL_HEIGHT_IN] * len(more_panels)
    figure, axes = plt.subplots(
        len(heights),
        1,
        sharex=True,
        figsize=(PLOT_WIDTH_IN, sum(heights)),
        height_ratios=heights,
        constrained_layout=True,
    )
    times = np.array([float(time) for time in first.frame_times_s])
    panel_axes = [*axes[: len(panels)], *axes[len(panels) + len(slices) :]]
    for axis, panel in zip(panel_axes, [*panels, *more_panels], strict=True):
        _draw_panel(axis, panel, times)
    end = times[-1] + (times[-1] - times[0]) / max(1, len(times) - 1)
    for axis, (title, rows) in zip(axes[len(panels) :], slices, strict=False):
        extent = (times[0], end, rows.shape[1], 0)
        axis.imshow(rows.transpose(1, 0, 2), aspect="auto", extent=extent)
        axis.set_ylabel(f"x of one row, px\n{title}", fontsize=7)
    for axis in axes:
        for cut in first.cut_times_s:
            axis.axvline(cut, color="tab:red", linestyle="--", linewidth=0.8)
    axes[-1].set_xlabel("s")
    figure.savefig(path, dpi=PLOT_DPI)
    plt.close(figure)


def _draw_panel(axis: Axes, panel: PlotPanel, times: np.ndarray) -> None:
    if panel.stacked:
        layers: list[Any] = [np.nan_to_num(line.values) for line in panel.lines]
        labels = [line.label for line in panel.lines]
        axis.stackplot(times, *layers, labels=labels, step="mid")
    else:
        for line in panel.lines:
            axis.plot(
                times[: len(line.values)],
                line.values,
                line.style,
                color=line.colour,
                label=line.label or "_nolegend_",
                linewidth=1,
            )
    if panel.logarithmic:
        axis.set_yscale("log")
    if panel.limits:
        axis.set_ylim(*panel.limits)
    elif panel.from_zero:
        axis.set_ylim(bottom=0)
    axis.set_ylabel(panel.title)
    # Beside the lines, since over them it would cover their ends.
    axis.legend(loc="upper left", bbox_to_anchor=(1.005, 1), borderaxespad=0, fontsize=7)


def build_metric_panels(measurements: Sequence[Measurement]) -> list[PlotPanel]:
    """Return the panels of the dreams' metrics; the mean colour is that of the first."""

    def panel(title: str, name: str, source_name: str | None = None) -> PlotPanel:
        series = [(m.name, m.metric_series(name)) for m in measurements]
        source = measurements[0].metric_series(source_name) if source_name else None
        return PlotPanel(title, _metric_lines(series, source), from_zero=True)

    panels = [
        panel("E_warp", "warp_error", "source_warp_error"),
        panel("E_warp, long-term", "long_warp_error", "source_long_warp_error"),
    ]
    if measurements[0].objective:
        series = [(m.name, np.array(m.objective)) for m in measurements]
        source = np.array(measurements[0].source_objective)
        panels.append(PlotPanel("objective", _metric_lines(series, source), from_zero=True))
    colours = [
        PlotLine(f"{name}, levels", measurements[0].metric_series(name), name)
        for name in ("red", "green", "blue")
    ]
    return [
        *panels,
        panel("mean |residual|", "residual"),
        panel("weakest tile\n/ strong", "weakest"),
        panel("sharpness", "sharpness", "source_sharpness"),
        PlotPanel("mean colour\nof the residual", colours),
    ]


def _metric_lines(
    series: Sequence[tuple[str, np.ndarray]], source: np.ndarray | None
) -> list[PlotLine]:
    lines = [] if source is None else [PlotLine("source", source, SOURCE_LINE_COLOUR)]
    pairs = zip(series, cycle(DREAM_LINE_COLOURS), strict=False)
    return lines + [PlotLine(name, values, colour) for (name, values), colour in pairs]
