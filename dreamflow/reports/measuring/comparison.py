"""Dreams of one clip that are measured, each by itself or against another one."""

from __future__ import annotations

import shlex
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dreamflow.core.callbacks import DoneCallback, MessageCallback
from dreamflow.core.errors import MeasurementWarning, SettingsError, named
from dreamflow.core.machine.options import MachineOptions
from dreamflow.media.options import ClipOptions
from dreamflow.reports.measuring.recorded import (
    find_strength_schedule,
    has_scheduled_settings,
    load_objective,
    resolve_source_options,
)

if TYPE_CHECKING:
    from dreamflow.core.machine.machine import Machine
    from dreamflow.media.read.clip import Clip
    from dreamflow.reports.coherence.measurement import Measurement


@dataclass(frozen=True)
class Comparison:
    """A dream and the clip that it was made from, opened.

    Attributes:
        source: The frames that were dreamed, in the size to measure at.
        dreams: The dream, and maybe another one to compare it with, in that size.
        record: What the dream records of how it was made; empty where it records nothing.
        settings: Settings of each of the dreams, as it records them.
    """

    source: Clip
    dreams: list[Clip]
    record: dict[str, Any]
    settings: list[dict[str, Any]]


@dataclass(frozen=True)
class MeasuredWith:
    """What the caller says of the objective.

    Attributes:
        layer: Layers; None for those that a dream records.
        network: Name of the network; None for the one that a dream records.
        options: The options of the machine, among them the weights.
        machine: The machine that the network computes on.
        notify: Called with each line for the user.
    """

    layer: list[str] | None
    network: str | None
    options: MachineOptions
    machine: Machine
    notify: MessageCallback = lambda line: None


@dataclass(frozen=True)
class MeasuredDream:
    """The figures of a dream.

    Attributes:
        path: Its file.
        measurements: Its own, and maybe that of the dream to compare it with.
        verdicts: Verdicts on it, by figure: `good`, or what is wrong.
    """

    path: Path
    measurements: list[Measurement]
    verdicts: dict[str, str]

    @property
    def figures(self) -> dict[str, float]:
        """The figures of the whole by name, those of the comparison among them."""
        from dreamflow.reports.coherence.verdict import compare_measurements

        return self.measurements[0].summarise() | compare_measurements(self.measurements)

    @property
    def frames(self) -> list[dict[str, Any]]:
        """The figures of each frame by name; None where it has none."""
        return self.measurements[0].to_rows()


def open_comparison(
    source: Path, dream: Path, against: Path | None, frames: ClipOptions
) -> Comparison:
    """Open a dream, its source, and maybe another dream to compare it with.

    Args:
        source: The clip that was dreamed.
        dream: The dream.
        against: Another dream of the clip; None for none.
        frames: Frames and size, as the caller says.

    Raises:
        SettingsError: The source is itself the dream of what is given as a dream.
    """
    from dreamflow.media.read.clip import Clip
    from dreamflow.media.records.embedded_settings import read_record_if_any, read_recorded_settings
    from dreamflow.pipelines.settings.paths import locate_settings

    record = read_record_if_any(dream)
    recorded_source = record.get("source")
    if not record and read_record_if_any(source).get("source") == dream.name:
        raise SettingsError(
            f"{source.name} is the dream, and {dream.name} the clip: the clip comes first, as in "
            f"`dreamflow measure {shlex.quote(str(dream))} {shlex.quote(str(source))}`",
            where=str(source),
        )
    if recorded_source and recorded_source != source.name:
        warnings.warn(
            f"{dream.name} was made from {recorded_source}, not from {source.name}",
            MeasurementWarning,
            2,
        )
    paths = [path for path in (dream, against) if path]
    settings = [locate_settings(read_recorded_settings(path), path) for path in paths]
    dreams = [Clip(path, ClipOptions()) for path in paths]
    original = Clip(source, resolve_source_options(frames, settings[0], dreams[0]))
    for clip in dreams:
        clip.width, clip.height = original.width, original.height
    return Comparison(original, dreams, record, settings)


def check_same_frames(comparisons: Sequence[Comparison]) -> None:
    """Raise SettingsError where dreams are of different frames, which share no time axis."""
    lengths = {one.dreams[0].path.name: one.source.timeline for one in comparisons}
    if len(set(lengths.values())) > 1:
        raise SettingsError(
            f"{' and '.join(lengths)} are dreams of different frames: draw each by itself, without "
            f"the others, into a {named('plot')} of its own",
            setting="plot",
        )


def measure_all(
    comparisons: Sequence[Comparison], measure_with: MeasuredWith, progress: DoneCallback
) -> list[MeasuredDream]:
    """Measure dreams one after the other.

    Args:
        comparisons: The dreams.
        measure_with: What the caller says of the objective.
        progress: Called with the number of frames measured, of all dreams.
    """
    measured: list[MeasuredDream] = []
    before = 0
    for comparison in comparisons:
        done_before = before
        measured.append(
            measure_dream(
                comparison, measure_with, lambda done, start=done_before: progress(start + done)
            )
        )
        before += len(comparison.source)
    return measured


def measure_dream(
    comparison: Comparison, measure_with: MeasuredWith, progress: DoneCallback
) -> MeasuredDream:
    """Measure a dream, and judge it; the arguments are those of `measure_all`."""
    from dreamflow.reports.coherence.dream_meter import measure_coherence
    from dreamflow.reports.coherence.verdict import judge_measurements

    source, settings = comparison.source, comparison.settings[0]
    objective = load_objective(
        *(measure_with.layer, measure_with.network, settings),
        *(comparison.record.get("network", {}), measure_with.options, measure_with.machine),
        *(source.timeline, measure_with.notify),
    )
    strengths = [find_strength_schedule(one, source.timeline) for one in comparison.settings]
    for clip, strength in zip(comparison.dreams, strengths, strict=True):
        if strength is not None:
            measure_with.notify(
                f"the {named('strength')} of {clip.path.name} changes over time: it is taken "
                "out, and the whole dream is measured"
            )
    measurements = measure_coherence(
        source, comparison.dreams, objective, progress=progress, strengths=strengths
    )
    changing = {name: value for name, value in settings.items() if name != "strength"}
    has_matte = settings.get("matte") is not None
    verdicts = judge_measurements(measurements, has_matte, has_scheduled_settings(changing))
    return MeasuredDream(comparison.dreams[0].path, measurements, verdicts)
