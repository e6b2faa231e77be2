"""What is heard of a sound: a plot over its waveform, a CSV and plain values."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dreamflow.core.errors import MediaError
from dreamflow.core.schedules.signals import BEAT_NAMES, LEVEL_NAMES, ONSET_NAMES
from dreamflow.media.files.atomic_file import atomic_write
from dreamflow.media.read.clip import Clip
from dreamflow.media.sound.analysis import SoundAnalysis, analyse_sound
from dreamflow.media.sound.hearing import ENTIRE_BAND, make_beat_grid
from dreamflow.media.sound.spectrum import BANDS_HZ, VALUES_PER_S

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PLOT_WIDTH_IN = 14.0
PLOT_DPI = 110
PANEL_HEIGHT_IN = 1.4
TITLE_PAD_POINTS = 14
"""Room for the numbers of the beats under the title."""
BAND_COLOURS = {"loud": "0.3", "bass": "tab:red", "mid": "tab:green", "high": "tab:blue"}
BEAT_COLOUR = "tab:orange"


@dataclass(frozen=True)
class Listening:
    """What is heard of a sound.

    Attributes:
        analysis: The sound.
        offset_s: Seconds of the sound before a film's first frame, from which times are counted.
    """

    analysis: SoundAnalysis
    offset_s: float

    @property
    def times(self) -> np.ndarray:
        """The seconds of each level."""
        return np.arange(len(self.analysis.peaks)) / VALUES_PER_S - self.offset_s

    @property
    def beats(self) -> np.ndarray:
        """The seconds of each beat."""
        return self.analysis.beats - self.offset_s

    @property
    def onsets(self) -> Mapping[str, np.ndarray]:
        """The seconds of each onset, by its name in schedules without `audio.`."""
        names = zip((ENTIRE_BAND, *BANDS_HZ), ONSET_NAMES, strict=True)
        return {name: self.analysis.onsets[band] - self.offset_s for band, name in names}


def listen(path: Path, track: str | None = None) -> Listening:
    """Return what is heard of a sound, or of a film's.

    Args:
        path: The sound or film.
        track: Number from 0 or language of its sound track; None for the main one.

    Raises:
        MediaError: It holds no sound, or cannot be read.
        SettingsError: It has no such track.
    """
    analysis = analyse_sound(path, track)
    try:
        offset_s = float(Clip(path).info.start_offset)
    except MediaError:  # a sound without a picture
        offset_s = 0.0
    return Listening(analysis, offset_s)


def listening_to_dict(listening: Listening) -> dict[str, Any]:
    """Return what is heard as values that JSON can hold; times in seconds."""
    return {
        "length_s": round(listening.analysis.length_s, 4),
        "bpm": round(listening.analysis.bpm, 3),
        "beats": np.round(listening.beats, 4).tolist(),
        **{name: np.round(times, 4).tolist() for name, times in listening.onsets.items()},
    }


def write_listening_csv(listening: Listening, path: Path) -> None:
    """Write a row for each level: seconds, levels, onsets since the row before, and the beat.

    Raises:
        OutputError: The file cannot be written.
    """
    times = listening.times
    grid = make_beat_grid(listening.analysis, Fraction(listening.offset_s), 1)
    counts = {
        name: np.histogram(onsets, np.append(times, times[-1] + 1 / VALUES_PER_S))[0]
        for name, onsets in listening.onsets.items()
    }
    with atomic_write(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["seconds", *LEVEL_NAMES, *ONSET_NAMES, BEAT_NAMES[0]])
        for n, time in enumerate(times):
            levels = [f"{listening.analysis.levels[name][n]:.4f}" for name in LEVEL_NAMES]
            onsets = [int(counts[name][n]) for name in ONSET_NAMES]
            beat = "" if grid is None else f"{grid.position(float(time)):.4f}"
            writer.writerow([f"{time:.4f}", *levels, *onsets, beat])


def draw_listening(listening: Listening, path: Path, title: str) -> None:
    """Draw levels, onsets and beats under the waveform: a PNG.

    Raises:
        OutputError: The file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    names = ("waveform", *LEVEL_NAMES)
    figure = Figure((PLOT_WIDTH_IN, PANEL_HEIGHT_IN * len(names)), PLOT_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(names), 1, sharex=True)
    _draw_waveform(panels[0], listening)
    for panel, name, onset_name in zip(panels[1:], LEVEL_NAMES, ONSET_NAMES, strict=True):
        panel.fill_between(
            listening.times, listening.analysis.levels[name], color=BAND_COLOURS[name], alpha=0.6
        )
        panel.vlines(listening.onsets[onset_name], 0, 1, color="black", linewidth=0.7)
        panel.set_ylim(0, 1.02)
        panel.set_ylabel(name)
    panels[0].set_title(title, loc="left", fontsize=10, pad=TITLE_PAD_POINTS)
    panels[0].set_xlim(listening.times[0], max(listening.times[-1], listening.times[0] + 0.1))
    panels[-1].set_xlabel("seconds; black: onsets of the band, orange: beats, with their numbers")
    with atomic_write(path) as part:
        figure.savefig(part, format="png")


def _draw_waveform(panel: Axes, listening: Listening) -> None:
    times, peaks, beats = listening.times, listening.analysis.peaks, listening.beats
    panel.fill_between(times, -peaks, peaks, color="0.45", linewidth=0)
    largest = max(float(peaks.max(initial=0)), 1e-3)
    panel.vlines(beats, -largest, largest, color=BEAT_COLOUR, linewidth=0.8)
    step = max(1, 4 * (len(beats) // 80 + 1)) if len(beats) > 20 else 1
    for number in range(0, len(beats), step):
        panel.text(beats[number], largest, str(number), fontsize=7, color=BEAT_COLOUR, va="bottom")
    panel.set_ylabel("waveform")
