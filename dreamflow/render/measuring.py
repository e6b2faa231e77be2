"""A dream measured against its source: the figures of each frame, and of the whole."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np

from dreamflow.dream import Objective
from dreamflow.errors import DreamFlowWarning, MediaError
from dreamflow.journeys.edge import to_image
from dreamflow.media.clip import Clip
from dreamflow.motion import Mark, find_shots, marked_at
from dreamflow.motion.measure import LEAST_RESIDUAL, FrameFigures, Meter
from dreamflow.wording import counted

SLICE_AT = 0.5
"""Share of the height at which the x-t slice is cut."""
WEAKEST = "weakest tile / strong"
"""What is said of how evenly the frame is dreamed."""
LASTING = "residual, end / beginning"
"""What is said of whether a dream stays as strong over a shot."""
LASTING_S = 1
"""Seconds of the beginning and of the end that are compared."""
LEAST_SHOT_S = 2
"""A shot shorter than this has no beginning and end that could differ."""
LOW_SHARE = 0.1
"""Of the frames, for which a low figure counts."""
ObjectiveAt = Callable[[Fraction], Objective]
"""Called with the seconds from the first frame: what is climbed then."""


@dataclass
class Measured:
    """The figures of a dream. objective: of dream and source per frame, or empty.

    slices: (source, dream), each uint8 (frames, W, 3): one row of every frame, under each other.
    """

    name: str
    indices: list[int] = field(default_factory=list)
    times: list[Fraction] = field(default_factory=list)
    figures: list[FrameFigures] = field(default_factory=list)
    objective: list[float] = field(default_factory=list)
    source_objective: list[float] = field(default_factory=list)
    rows: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)

    @property
    def slices(self) -> tuple[np.ndarray, np.ndarray]:
        """The x-t slices of source and dream, uint8 (frames, W, 3)."""
        sources, dreams = zip(*self.rows, strict=True)
        return np.stack(sources), np.stack(dreams)

    @property
    def cuts(self) -> list[float]:
        """The times in seconds at which new shots begin, but for the first."""
        pairs = list(zip(self.times, self.figures, strict=True))[1:]
        return [float(time) for time, figures in pairs if figures.cut]

    def column(self, name: str) -> np.ndarray:
        """Return one figure of every frame, float64 (frames,)."""
        return np.array([getattr(figures, name) for figures in self.figures], np.float64)

    def per_frame(self) -> list[dict[str, Any]]:
        """Return the figures of each frame as plain values, None for those it has not."""
        rows: list[dict[str, Any]] = []
        for number, figures in enumerate(self.figures):
            row: dict[str, Any] = {
                "frame": self.indices[number],
                "time_s": round(float(self.times[number]), 6),
                **asdict(figures),
            }
            del row["tiles"]
            if self.objective:
                row["objective"] = self.objective[number]
                row["source_objective"] = self.source_objective[number]
            rows.append({k: None if _missing(v) else v for k, v in row.items()})
        return rows

    def colour_drift(self) -> float:
        """Return the largest change of the dream's mean colour within a shot, in levels.

        Of dream - source, against the first frame of the shot, in the channel that changes most.
        """
        drift, first = 0.0, np.zeros(3)
        for figures in self.figures:
            colour = np.array([figures.red, figures.green, figures.blue])
            first = colour if figures.cut else first
            drift = max(drift, float(np.abs(colour - first).max()))
        return drift

    def lasting(self) -> float:
        """Return the residual of a shot's last second, of its first; NaN where all are short.

        The lowest of the shots': what fades in one does not grow in another to make up for it.
        """
        begins = [n for n, figures in enumerate(self.figures) if figures.cut]
        residual, found = self.column("residual"), [math.nan]
        for begin, end in zip(begins, [*begins[1:], len(self.times)], strict=True):
            times = [float(time - self.times[begin]) for time in self.times[begin:end]]
            if times[-1] < LEAST_SHOT_S:
                continue
            times, shot = np.array(times), residual[begin:end]
            late = shot[times >= times[-1] - LASTING_S].mean()
            early = shot[times < LASTING_S].mean()
            found.append(float(late / early) if early >= LEAST_RESIDUAL else math.nan)
        return float(np.nanmin(found)) if not np.isnan(found).all() else math.nan

    def summary(self) -> dict[str, float]:
        """Return the figures of the whole; those that it has not are left out."""
        found = {
            "frames": float(len(self.figures)),
            "E_warp": mean(self.column("warp_error")),
            "E_warp of the source": mean(self.column("source_warp_error")),
            "E_warp, long-term": mean(self.column("long_warp_error")),
            "E_warp of the source, long-term": mean(self.column("source_long_warp_error")),
            "share compared": mean(self.column("compared")),
            "mean |residual|, levels": mean(self.column("residual")),
            LASTING: self.lasting(),
            WEAKEST: lowest(self.column("weakest")),
            "sharpness / source": mean(self.column("sharpness"))
            / max(1e-9, mean(self.column("source_sharpness"))),
            "colour drift, levels": self.colour_drift(),
        }
        if found["E_warp of the source"] > 0:
            found["E_warp / source"] = found["E_warp"] / found["E_warp of the source"]
        if self.objective:
            found["objective"] = mean(np.array(self.objective))
            found["objective / source"] = found["objective"] / max(
                1e-12, mean(np.array(self.source_objective))
            )
        return {name: value for name, value in found.items() if not math.isnan(value)}


def _missing(value: object) -> bool:
    return isinstance(value, float) and math.isnan(value)


def mean(values: np.ndarray) -> float:
    """Return the mean of what is not NaN, or NaN."""
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if len(kept) else float("nan")


def lowest(values: np.ndarray) -> float:
    """Return what a tenth of those that are not NaN are below, or NaN."""
    kept = values[~np.isnan(values)]
    return float(np.quantile(kept, LOW_SHARE)) if len(kept) else float("nan")


def weakest_beside(dream: Measured, other: Measured) -> tuple[float, int] | None:
    """Return the residual of the tile that holds the least of another dream's there, as a share.

    Each tile over all frames, since a dream by itself puts its creatures elsewhere in each. Beside
    it the tile's number (see `by_tile`). None where the other has no dream.
    """
    mine, theirs = (
        np.mean([figures.tiles for figures in one.figures], axis=0) for one in (dream, other)
    )
    shares = np.where(theirs >= LEAST_RESIDUAL, mine / np.maximum(theirs, LEAST_RESIDUAL), np.inf)
    least = int(shares.argmin())
    return (float(shares[least]), least) if np.isfinite(shares[least]) else None


def excess_flicker(dream: Measured, naive: Measured) -> float | None:
    """Return the share of a naive dream's flicker that is left: 0 is none, 1 is all of it.

    (E - E of the source) / (E naive - E of the source): what the clip itself brings is taken out.
    None where the naive dream does not flicker, or nothing can be compared.
    """
    parts, others = dream.summary(), naive.summary()
    if "E_warp" not in parts or "E_warp" not in others:
        return None
    source = parts["E_warp of the source"]
    added = others["E_warp"] - others["E_warp of the source"]
    return (parts["E_warp"] - source) / added if added > 1e-9 else None


def measure(
    source: Clip,
    dreams: Sequence[Clip],
    objective: ObjectiveAt | None = None,
    cuts: Sequence[Fraction] | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Measured]:
    """Measure dreams against the clip that they were made from, frame by frame, side by side.

    All must have frames of one size. cuts: times of new shots in the source; None finds them.
    Raises MediaError where the sizes differ, or there is no frame to compare.
    """
    for dream in dreams:
        if (source.width, source.height) != (dream.width, dream.height):
            raise MediaError(
                f"{source.path} is {source.width}x{source.height}, {dream.path} is "
                f"{dream.width}x{dream.height}: they cannot be compared"
            )
    found, meter = [Measured(dream.path.name) for dream in dreams], Meter()
    marked = find_shots(source) if cuts is None else marked_at(source, cuts)
    done = 0
    for (frame, mark), *dreamed in zip(marked, *dreams, strict=False):
        pictures = [other.picture for other in dreamed]
        figures = meter(frame.picture, pictures, mark is Mark.CUT)
        row = int(SLICE_AT * frame.picture.shape[0])
        values: list[float] = []
        if objective:
            now = objective(frame.time)
            images = (to_image(picture, now.device) for picture in (frame.picture, *pictures))
            values = [now.value(image) for image in images]
        for number, (measured, picture) in enumerate(zip(found, pictures, strict=True)):
            measured.indices.append(frame.index)
            measured.times.append(frame.time)
            measured.figures.append(figures[number])
            measured.rows.append((frame.picture[row].copy(), picture[row].copy()))
            measured.source_objective += values[:1]
            measured.objective += values[number + 1 : number + 2]
        done += 1
        progress(done)
    if not done:
        names = " and ".join(str(clip.path) for clip in (source, *dreams))
        raise MediaError(f"{names} have no frame to compare")
    clips = [source, *dreams]
    if len({len(clip) for clip in clips}) > 1:
        told = ", ".join(f"{clip.path.name} has {counted(len(clip), 'frame')}" for clip in clips)
        warnings.warn(f"{told}: the first {done} are compared", DreamFlowWarning, 2)
    return found
