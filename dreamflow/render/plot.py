"""The figures of a dream over time, drawn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dreamflow.render.measuring import Measured

WIDTH_IN = 12.0
PANEL_IN = 1.5
SLICE_IN = 2.2
COLOURS = ("tab:blue", "tab:orange")
SOURCE_COLOUR = "0.6"

Lines = list[tuple[str, str, np.ndarray]]
"""The lines of a panel: label, colour, and a value per frame."""


def draw(path: Path, measured: Sequence[Measured]) -> None:
    """Draw one or two dreams of one source into a picture: figures, and x-t slices below.

    A slice shows one row of the picture over time: what holds still is a clean streak, what
    flickers is grain. Dashed lines mark cuts.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    first = measured[0]
    panels: list[tuple[str, Lines]] = [
        ("E_warp", _lines(measured, "warp_error", "source_warp_error")),
        ("E_warp, long-term", _lines(measured, "long_warp_error", "source_long_warp_error")),
        ("mean |residual|", _lines(measured, "residual")),
        ("weakest tile\n/ strong", _lines(measured, "weakest")),
        ("sharpness", _lines(measured, "sharpness", "source_sharpness")),
        ("mean colour\nof the residual", _colours(first)),
    ]
    if first.objective:
        panels.insert(2, ("objective", _objectives(measured)))
    slices = [("source", first.slices[0]), *((m.name, m.slices[1]) for m in measured)]
    heights = [PANEL_IN] * len(panels) + [SLICE_IN] * len(slices)
    figure, axes = plt.subplots(
        len(heights),
        1,
        sharex=True,
        figsize=(WIDTH_IN, sum(heights)),
        height_ratios=heights,
        constrained_layout=True,
    )
    times = np.array([float(time) for time in first.times])
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
        for cut in first.cuts:
            axis.axvline(cut, color="tab:red", linestyle="--", linewidth=0.8)
    axes[-1].set_xlabel("s")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _lines(measured: Sequence[Measured], name: str, of_source: str | None = None) -> Lines:
    source = [("source", SOURCE_COLOUR, measured[0].column(of_source))] if of_source else []
    pairs = zip(measured, COLOURS, strict=False)
    return source + [(m.name, colour, m.column(name)) for m, colour in pairs]


def _objectives(measured: Sequence[Measured]) -> Lines:
    source = [("source", SOURCE_COLOUR, np.array(measured[0].source_objective))]
    pairs = zip(measured, COLOURS, strict=False)
    return source + [(m.name, colour, np.array(m.objective)) for m, colour in pairs]


def _colours(measured: Measured) -> Lines:
    return [(f"{name}, levels", name, measured.column(name)) for name in ("red", "green", "blue")]
