"""The figures of a dream over time, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dreamflow.reports.coherence.measurement import Measurement

PLOT_WIDTH_IN = 12.0
PANEL_HEIGHT_IN = 1.5
SLICE_HEIGHT_IN = 2.2
DREAM_LINE_COLOURS = ("tab:blue", "tab:orange")
SOURCE_LINE_COLOUR = "0.6"

PanelLines = list[tuple[str, str, np.ndarray]]
"""The lines of a panel: label, colour, and a value per frame."""


def plot_measurements(path: Path, measurements: Sequence[Measurement]) -> None:
    """Draw one or two dreams of one source into a picture: figures, and x-t slices below.

    A slice shows one row of the picture over time: what holds still is a clean streak, what
    flickers is grain. Dashed lines mark cuts.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    first = measurements[0]
    panels: list[tuple[str, PanelLines]] = [
        ("E_warp", _metric_lines(measurements, "warp_error", "source_warp_error")),
        (
            "E_warp, long-term",
            _metric_lines(measurements, "long_warp_error", "source_long_warp_error"),
        ),
        ("mean |residual|", _metric_lines(measurements, "residual")),
        ("weakest tile\n/ strong", _metric_lines(measurements, "weakest")),
        ("sharpness", _metric_lines(measurements, "sharpness", "source_sharpness")),
        ("mean colour\nof the residual", _colour_lines(first)),
    ]
    if first.objective:
        panels.insert(2, ("objective", _objective_lines(measurements)))
    slices = [("source", first.xt_slices[0]), *((m.name, m.xt_slices[1]) for m in measurements)]
    heights = [PANEL_HEIGHT_IN] * len(panels) + [SLICE_HEIGHT_IN] * len(slices)
    figure, axes = plt.subplots(
        len(heights),
        1,
        sharex=True,
        figsize=(PLOT_WIDTH_IN, sum(heights)),
        height_ratios=heights,
        constrained_layout=True,
    )
    times = np.array([float(time) for time in first.frame_times_s])
    for axis, (title, lines) in zip(axes, panels, strict=False):
        for label, colour, values in lines:
            axis.plot(times[: len(values)], values, color=colour, label=label, linewidth=1)
        axis.set_ylabel(title)
        # Beside the curves: over them it would cover their ends.
        axis.legend(loc="upper left", bbox_to_anchor=(1.005, 1), borderaxespad=0, fontsize=7)
    last = times[-1] + (times[-1] - times[0]) / max(1, len(times) - 1)
    for axis, (title, rows) in zip(axes[len(panels) :], slices, strict=True):
        axis.imshow(
            rows.transpose(1, 0, 2), aspect="auto", extent=(times[0], last, rows.shape[1], 0)
        )
        axis.set_ylabel(f"x of one row, px\n{title}", fontsize=7)
    for axis in axes:
        for cut in first.cut_times_s:
            axis.axvline(cut, color="tab:red", linestyle="--", linewidth=0.8)
    axes[-1].set_xlabel("s")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _metric_lines(
    measurements: Sequence[Measurement], name: str, source_name: str | None = None
) -> PanelLines:
    source = (
        [("source", SOURCE_LINE_COLOUR, measurements[0].metric_series(source_name))]
        if source_name
        else []
    )
    pairs = zip(measurements, DREAM_LINE_COLOURS, strict=False)
    return source + [(m.name, colour, m.metric_series(name)) for m, colour in pairs]


def _objective_lines(measurements: Sequence[Measurement]) -> PanelLines:
    source = [("source", SOURCE_LINE_COLOUR, np.array(measurements[0].source_objective))]
    pairs = zip(measurements, DREAM_LINE_COLOURS, strict=False)
    return source + [(m.name, colour, np.array(m.objective)) for m, colour in pairs]


def _colour_lines(measured: Measurement) -> PanelLines:
    return [
        (f"{name}, levels", name, measured.metric_series(name)) for name in ("red", "green", "blue")
    ]
