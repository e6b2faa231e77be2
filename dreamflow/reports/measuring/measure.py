"""`dreamflow.measure`: a dream measured against its source, with what it records of itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dreamflow.core.callbacks import DoneCallback
from dreamflow.core.machine.machine import Machine
from dreamflow.core.machine.options import MachineOptions
from dreamflow.media.options import ClipOptions
from dreamflow.reports.measuring.comparison import (
    MeasuredDream,
    MeasuredWith,
    measure_dream,
    open_comparison,
)


def measure(
    source: str | Path,
    dream: str | Path,
    against: str | Path | None = None,
    *,
    layer: str | Sequence[str] | None = None,
    network: str | None = None,
    weights: str | Path | None = None,
    size: str | None = None,
    threads: int = MachineOptions.threads,
    progress: DoneCallback = lambda done: None,
) -> MeasuredDream:
    """Measure how steady a dream is, as `dreamflow measure` does.

    Args:
        source: The clip that was dreamed.
        dream: The dream of it: a film, or a folder of pictures.
        against: Another dream of the clip, best one with `carry=False`, which flickers as much as
            it can: excess flicker and intensity are shares of its.
        layer: Layers whose response is measured; None for those that the dream records.
        network: Network of these layers; None for the one that the dream records.
        weights: A file of its weights.
        size: Size to measure at; None for that of the dream, at most 480 pixels.
        threads: CPU threads; 0 measures how many are fastest now.
        progress: Called with the number of frames measured.

    Returns:
        `figures` of the whole and `verdicts` on them by name, `frames` with the figures of each.

    Raises:
        SettingsError: The dream is given as the source, or a layer is unknown.
        MediaError: A film cannot be read.
        WeightsError: The network has no weights.
    """
    comparison = open_comparison(
        *(Path(source), Path(dream), None if against is None else Path(against)),
        ClipOptions(size=size),
    )
    layers = [layer] if isinstance(layer, str) else None if layer is None else list(layer)
    options = MachineOptions(weights=None if weights is None else Path(weights), threads=threads)
    machine = Machine.from_options(options)
    return measure_dream(comparison, MeasuredWith(layers, network, options, machine), progress)
