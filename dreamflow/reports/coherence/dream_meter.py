"""Measures dreams of one source side by side, frame by frame."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from dreamflow.core.callbacks import DoneCallback
from dreamflow.core.errors import MeasurementWarning, MediaError
from dreamflow.core.frames import Frame
from dreamflow.core.tensors import picture_to_tensor
from dreamflow.core.text.wording import format_count
from dreamflow.dream.objective.objective import Objective
from dreamflow.media.read.clip import Clip
from dreamflow.reports.coherence.measurement import Measurement
from dreamflow.reports.coherence.regional import with_gains
from dreamflow.reports.coherence.strength import (
    MIN_STRENGTH,
    StrengthAtTime,
    strengths_at,
    undo_strength,
)
from dreamflow.reports.coherence.warp_error import CoherenceMeter
from dreamflow.temporal.shots import Mark, find_shots, marked_at

SLICE_HEIGHT_SHARE = 0.5
"""Height of the row that the x-t slice shows, as a share of the frame's."""

ObjectiveAtTime = Callable[[Fraction], Objective]
"""Returns the objective at a time, in seconds from the first frame."""


class DreamMeter:
    """Measures dreams of one source, frame by frame, into measurements.

    Attributes:
        measurements: What was measured so far, a measurement for each dream.
    """

    def __init__(self, names: Sequence[str], objective: ObjectiveAtTime | None = None) -> None:
        """Begin before the first frame.

        Args:
            names: Name of each dream.
            objective: Objective to measure; None measures none.
        """
        self.measurements = [Measurement(name) for name in names]
        self._objective, self._meter = objective, CoherenceMeter()

    def add(self, frame: Frame, dreams: Sequence[np.ndarray], cut: bool) -> None:
        """Measure the next frame's dreams.

        Args:
            frame: The source's frame.
            dreams: Its dreams, uint8 (H, W, 3) RGB.
            cut: Whether the frame is the first of a shot.
        """
        metrics = self._meter(frame.picture, dreams, cut)
        row = int(SLICE_HEIGHT_SHARE * frame.picture.shape[0])
        for measurement, dream, measured in zip(self.measurements, dreams, metrics, strict=True):
            measurement.frame_indices.append(frame.index)
            measurement.frame_times_s.append(frame.time)
            measurement.frame_metrics.append(measured)
            measurement.slice_rows.append((frame.picture[row].copy(), dream[row].copy()))
        if self._objective:
            self._add_objective(self._objective(frame.time), frame.picture, dreams)

    def _add_objective(
        self, objective: Objective, source: np.ndarray, dreams: Sequence[np.ndarray]
    ) -> None:
        """Measure the objective of a frame's dreams, of the whole and by region."""
        images = [picture_to_tensor(picture, objective.device) for picture in (source, *dreams)]
        maps = [objective.measure_map(image) for image in images]
        for number, measurement in enumerate(self.measurements, start=1):
            own, others = maps[number], maps[0]
            if own is None or others is None:
                measurement.objective.append(objective.value(images[number]))
                measurement.source_objective.append(objective.value(images[0]))
                continue
            measurement.objective.append(float(own.mean()))
            measurement.source_objective.append(float(others.mean()))
            if (regions := self._meter.regions) is not None:
                gain = (own - others)[0, 0].cpu().numpy()
                last = measurement.frame_metrics[-1]
                by_region = with_gains(last.by_region, gain, regions)
                measurement.frame_metrics[-1] = replace(last, by_region=by_region)


def measure_coherence(
    source: Clip,
    dreams: Sequence[Clip],
    objective: ObjectiveAtTime | None = None,
    cuts: Sequence[Fraction] | None = None,
    progress: DoneCallback = lambda done: None,
    strengths: Sequence[StrengthAtTime | None] | None = None,
) -> list[Measurement]:
    """Measure dreams against the clip that they were made from, frame by frame, side by side.

    Args:
        source: The clip.
        dreams: Dreams of it, with frames of the same size.
        objective: Objective to measure; None measures none.
        cuts: Times of cuts in the source, in seconds; None finds them.
        progress: Called with the number of frames measured.
        strengths: How much of each dream is shown, where that changes over time. It is taken out:
            the whole dream is measured. Frames that show less than `MIN_STRENGTH` of it are left
            out, and a shot begins behind them.

    Returns:
        A measurement for each dream. Where the clips differ in length, the shortest decides, and a
        DreamFlowWarning says so.

    Raises:
        MediaError: The sizes differ, or there is no frame to compare.
    """
    for dream in dreams:
        if (source.width, source.height) != (dream.width, dream.height):
            raise MediaError(
                f"{source.path} is {source.width}x{source.height}, {dream.path} is "
                f"{dream.width}x{dream.height}: open them at one size to compare them"
            )
    meter = DreamMeter([dream.path.name for dream in dreams], objective)
    marked = find_shots(source) if cuts is None else marked_at(source, cuts)
    strengths = strengths or [None] * len(dreams)
    done = left_out = 0
    follows_gap = False
    for (frame, mark), *dreamed in zip(marked, *dreams, strict=False):
        shown = [other.picture for other in dreamed]
        shares = strengths_at(strengths, frame.time)
        if min(shares) < MIN_STRENGTH:
            left_out, follows_gap = left_out + 1, True
        else:
            whole = [undo_strength(frame.picture, *one) for one in zip(shown, shares, strict=True)]
            meter.add(frame, whole, mark is Mark.CUT or follows_gap)
            follows_gap = False
        done += 1
        progress(done)
    clips = [source, *dreams]
    if not done:
        names = " and ".join(str(clip.path) for clip in clips)
        raise MediaError(f"{names} have no frame in common that can be decoded")
    if left_out == done:
        raise MediaError(f"no frame shows more than {MIN_STRENGTH:.0%} of the dream")
    if left_out:
        warnings.warn(
            f"{format_count(left_out, 'frame')} with less than {MIN_STRENGTH:.0%} of the dream "
            "shown: left out",
            MeasurementWarning,
            2,
        )
    if len({len(clip) for clip in clips}) > 1:
        lengths = ", ".join(
            f"{clip.path.name} has {format_count(len(clip), 'frame')}" for clip in clips
        )
        warnings.warn(f"{lengths}: the first {done} are compared", MeasurementWarning, 2)
    return meter.measurements
