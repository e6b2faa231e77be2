"""The sound behind the curves: heard once for each source, and drawn as columns."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from dreamflow.core.errors import DreamFlowError, DreamFlowWarning
from dreamflow.core.schedules.signals import Signals
from dreamflow.core.schedules.timecode import Timeline
from dreamflow.media.read.clip import Clip
from dreamflow.media.sound.analysis import SoundAnalysis, analyse_sound
from dreamflow.media.sound.hearing import make_beat_grid, make_signals
from dreamflow.media.sound.options import SoundOptions
from dreamflow.media.sound.spectrum import BANDS_HZ, VALUES_PER_S
from dreamflow.studio.curves.snapping import list_beats, list_onsets
from dreamflow.studio.project import describe_error

MAX_COLUMNS = 4000
"""Columns of the drawn sound, over the whole film."""
LISTENING, SILENT = "listening to the sound", "the clip has no sound"


@dataclass(frozen=True)
class HeardSound:
    """The sound of a source.

    Attributes:
        analysis: What it does over time.
        offset_s: Seconds of it before the source's first frame.
        signals: What schedules hear of it.
    """

    analysis: SoundAnalysis
    offset_s: Fraction
    signals: Signals


def hear_source(clip: Clip, sound: SoundOptions) -> HeardSound | None:
    """Return the sound of a clip, or that which is set in its place; None where it has none.

    Raises:
        MediaError: It cannot be read.
    """
    if sound.audio is None and not clip.info.sound_codecs:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DreamFlowWarning)  # silence is drawn as such
        analysis = analyse_sound(Path(sound.audio) if sound.audio else clip.path)
    offset_s = Fraction(0) if sound.audio else clip.info.start_offset
    first_beat_s = sound.first_beat_s(clip.info.rate)
    beats = make_beat_grid(analysis, offset_s, sound.beats_per_bar, sound.bpm, first_beat_s)
    return HeardSound(analysis, offset_s, make_signals(analysis, offset_s, beats, {}))


def draw_sound(heard: HeardSound, timeline: Timeline) -> dict[str, Any]:
    """Return what is drawn behind the curves of a film, as values that JSON holds.

    Args:
        heard: The sound.
        timeline: The film's, which hears it.

    Returns:
        `peaks` and the levels `bass`, `mid` and `high` (0 to 1, evenly over the film), `beats` and
        `onsets` in seconds, `bar`, the number of beats in a bar, and `firstBeat`, the number of the
        first of the beats.
    """
    signals, analysis = timeline.signals, heard.analysis
    begin = float(heard.offset_s + (signals.start if signals else 0))
    length = float(timeline.length)
    edges = np.linspace(begin, begin + length, _count_columns(length) + 1) * VALUES_PER_S
    columns = {"peaks": analysis.peaks, **{name: analysis.levels[name] for name in BANDS_HZ}}
    beats = signals.beats if signals else None
    return {
        **{name: _draw_columns(values, edges) for name, values in columns.items()},
        "beats": np.round(list_beats(timeline), 4).tolist(),
        "onsets": np.round(list_onsets(timeline), 4).tolist(),
        "bar": beats.beats_per_bar if beats else 0,
        "firstBeat": max(0, int(beats.position(float(signals.start)))) if beats and signals else 0,
        "bpm": round(analysis.bpm, 1),
    }


def _count_columns(length_s: float) -> int:
    return max(1, min(MAX_COLUMNS, round(length_s * VALUES_PER_S)))


def _draw_columns(values: np.ndarray, edges: np.ndarray) -> list[float]:
    """Return the largest value in each column; 0 outside of the sound."""
    drawn: list[float] = []
    for begin, end in zip(edges[:-1].astype(int), edges[1:].astype(int), strict=True):
        part = values[max(0, begin) : max(0, max(end, begin + 1))]
        drawn.append(round(float(part.max()), 3) if len(part) else 0.0)
    return drawn


class SoundListener:
    """Hears the sound of one source at a time, in a thread.

    Attributes:
        heard: The sound; None before it is heard, and of a source without.
        note: How it stands, in words; "" once it is heard.
        number: Another one for each sound.
    """

    def __init__(self, on_change: Callable[[], None]) -> None:
        """Take what is called, by a thread, when a sound has been heard."""
        self._on_change = on_change
        self._clip: Clip | None = None
        self._sound = SoundOptions()
        self.heard: HeardSound | None = None
        self.note, self.number = "", 0

    def listen(self, clip: Clip | None, sound: SoundOptions) -> None:
        """Hear the sound of a clip, or that which is set, unless it is heard already."""
        if clip is self._clip and sound == self._sound:
            return
        self._clip, self._sound = clip, sound
        self.heard, self.note = None, LISTENING if clip else ""
        if clip is not None:
            threading.Thread(target=self._hear, args=(clip, sound), daemon=True).start()

    def forget(self) -> None:
        """Let go of the sound: another source comes."""
        self._clip, self.heard, self.note = None, None, ""

    def _hear(self, clip: Clip, sound: SoundOptions) -> None:
        heard, note = None, SILENT
        try:
            heard = hear_source(clip, sound)
            note = "" if heard else SILENT
        except DreamFlowError as error:
            note = describe_error(error)
        if clip is self._clip and sound == self._sound:
            self.heard, self.note = heard, note
            self.number += 1
            self._on_change()

    def timeline(self, timeline: Timeline, start_time: Fraction) -> Timeline:
        """Return the timeline of a film that hears the sound.

        Args:
            timeline: The film's.
            start_time: Seconds from the source's first frame to the film's.
        """
        if self.heard is None:
            return timeline
        return replace(timeline, signals=replace(self.heard.signals, start=start_time))
