"""What is heard of a sound and of series, as the signals of a timeline."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np

from dreamflow.core.schedules.signals import (
    AUDIO,
    DATA,
    BeatGrid,
    EvenSeries,
    PointSeries,
    Series,
    Signals,
)
from dreamflow.media.sound.analysis import SoundAnalysis
from dreamflow.media.sound.kept import hash_analysis
from dreamflow.media.sound.spectrum import VALUES_PER_S

ENTIRE_BAND = "loud"
"""The name under which an analysis has the onsets of all bands together."""


@dataclass(frozen=True)
class Hearing:
    """What the schedules of an output hear.

    Attributes:
        signals: The signals, from the source's first frame on.
        files: The files that they were made from besides the source, by their inputs' names.
        kept: The analysis of the sound as bytes; empty where no sound is heard.
        sound_end_s: Seconds from the source's first frame to the end of the sound, if it is heard.
    """

    signals: Signals
    files: Mapping[str, list[Path]] = field(default_factory=dict[str, list[Path]])
    kept: bytes = b""
    sound_end_s: Fraction | None = None


def make_signals(
    analysis: SoundAnalysis | None,
    offset_s: Fraction,
    beats: BeatGrid | None,
    data: Mapping[str, PointSeries],
) -> Signals:
    """Return the signals of a source.

    Args:
        analysis: The sound, if there is one.
        offset_s: Seconds of the sound before the source's first frame.
        beats: The beats; see `make_beat_grid`.
        data: Series by name.
    """
    levels: dict[str, Series] = {f"{DATA}.{name}": series for name, series in data.items()}
    onsets: dict[str, list[float]] = {}
    offset = float(offset_s)
    if analysis is not None:
        levels |= {
            f"{AUDIO}.{name}": EvenSeries(array("f", values.tobytes()), VALUES_PER_S, -offset)
            for name, values in analysis.levels.items()
        }
        onsets = {
            _onset_name(band): [time - offset for time in times.tolist()]
            for band, times in analysis.onsets.items()
        }
    digest = hashlib.sha256(hash_analysis(analysis).encode() if analysis else b"")
    digest.update(repr((offset_s, beats, sorted(data.items()))).encode())
    return Signals(digest.hexdigest()[:32], levels=levels, onsets=onsets, beats=beats)


def _onset_name(band: str) -> str:
    return f"{AUDIO}.onset" if band == ENTIRE_BAND else f"{AUDIO}.{band}_onset"


def make_beat_grid(
    analysis: SoundAnalysis | None,
    offset_s: Fraction,
    beats_per_bar: int,
    bpm: float | None = None,
    first_beat_s: Fraction | None = None,
) -> BeatGrid | None:
    """Return the beats of a source; None where none are known.

    Args:
        analysis: The sound, if there is one.
        offset_s: Seconds of the sound before the source's first frame.
        beats_per_bar: How many beats make a bar.
        bpm: Beats a minute, if they are given; else those of the sound.
        first_beat_s: Seconds from the source's first frame to the first beat, if it is given.
    """
    found = np.zeros(0) if analysis is None else analysis.beats - float(offset_s)
    first = None if first_beat_s is None else float(first_beat_s)
    if bpm is not None:
        period = 60 / bpm
        begin = _find_phase(found, period) if first is None else first
        return BeatGrid((begin, begin + period), beats_per_bar, bpm)
    if analysis is None or len(found) < 2:
        return None
    if first is not None:
        nearest = int(np.abs(found - first).argmin())
        found = found[min(nearest, len(found) - 2) :]
    return BeatGrid(tuple(found.tolist()), beats_per_bar, analysis.bpm)


def _find_phase(beats: np.ndarray, period: float) -> float:
    """Return the first time from 0 on of evenly spaced beats that lie nearest to those found."""
    if not len(beats):
        return 0.0
    turns = np.exp(2j * np.pi * beats / period).mean()
    return float(np.angle(turns) / (2 * np.pi) % 1 * period)
