"""What a sound does over time, as schedules hear it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dreamflow.core.errors import SilentSourceWarning
from dreamflow.media.sound.beats import find_beats, tempo_of
from dreamflow.media.sound.decode import decode_sound
from dreamflow.media.sound.onsets import find_onsets
from dreamflow.media.sound.spectrum import BANDS_HZ, measure_spectrum

LOUDNESS_EXPONENT = 0.3
"""Exponent of power: what has twice the loudness to the ear has ten times the power (Stevens)."""
PERCENTILES = (5.0, 98.0)
"""Percentiles of a band's loudness over the whole sound that become 0 and 1."""
MAX_LOWEST_SHARE = 0.5
"""Largest share of what becomes 1 that becomes 0: a steady sound is 1, and not nothing."""
MIN_BAND_POWER = 1e-4
"""Share of the whole sound's power below which the loudest of a band does not become 1."""
SILENT_POWER = 1e-8
"""Mean square of the loudest below which a sound is silent: 80 dB below full scale."""


@dataclass(frozen=True)
class SoundAnalysis:
    """What a sound does over time.

    Attributes:
        length_s: Seconds of the sound.
        levels: Loudness from 0 to 1 by name, "loud" and BANDS_HZ: float32, VALUES_PER_S a second
            from time 0 on.
        onsets: Instants of onsets in seconds, in order, by the same names; "loud" for all.
        beats: Instants of beats in seconds, in order.
        bpm: Beats a minute; 0 where there are none.
        peaks: Largest amplitude about each level, full scale 1.
    """

    length_s: float
    levels: Mapping[str, np.ndarray]
    onsets: Mapping[str, np.ndarray]
    beats: np.ndarray
    bpm: float
    peaks: np.ndarray


def analyse_sound(path: Path, track: str | None = None) -> SoundAnalysis:
    """Return what a file's sound does over time. Warns where it is silent.

    Args:
        path: A sound or film file.
        track: Number from 0 or language of its sound track; None for the main one.

    Raises:
        MediaError: It holds no sound, or cannot be read.
        SettingsError: It has no such track.
    """
    analysis = analyse_samples(decode_sound(path, track))
    if not analysis.levels["loud"].any():
        warnings.warn(f"the sound of {path.name} is silent", SilentSourceWarning, 2)
    return analysis


def analyse_samples(blocks: Iterable[np.ndarray]) -> SoundAnalysis:
    """Return what a sound does over time.

    Args:
        blocks: Its samples in order, float32, `decode.SAMPLE_RATE` a second.
    """
    spectrum = measure_spectrum(blocks)
    whole = float(np.percentile(spectrum.power["loud"], PERCENTILES[1]))
    if spectrum.power["loud"].max() < SILENT_POWER:
        silence = np.zeros_like(spectrum.peaks)
        names = ("loud", *BANDS_HZ)
        nothing = np.zeros(0)
        return SoundAnalysis(
            *(spectrum.length_s, dict.fromkeys(names, silence), dict.fromkeys(names, nothing)),
            *(nothing, 0.0, spectrum.peaks),
        )
    levels = {name: _scale(power, whole) for name, power in spectrum.power.items()}
    onsets = {
        name: find_onsets(flux, spectrum.envelope, of_band=name in BANDS_HZ)
        for name, flux in spectrum.flux.items()
    }
    beats = find_beats(spectrum.flux, onsets["loud"])
    return SoundAnalysis(spectrum.length_s, levels, onsets, beats, tempo_of(beats), spectrum.peaks)


def _scale(power: np.ndarray, whole_power: float) -> np.ndarray:
    """Return loudness from 0 to 1: float32, like `power`."""
    loudness = power.astype(np.float64) ** LOUDNESS_EXPONENT
    least = max(whole_power * MIN_BAND_POWER, SILENT_POWER) ** LOUDNESS_EXPONENT
    lowest, highest = np.percentile(loudness, PERCENTILES)
    highest = max(highest, least)
    lowest = min(lowest, MAX_LOWEST_SHARE * highest)
    return np.clip((loudness - lowest) / (highest - lowest), 0, 1).astype(np.float32)
