"""Tempo by autocorrelation, and beats by dynamic programming (Ellis 2007)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dreamflow.media.sound.spectrum import VALUES_PER_S

USUAL_BPM, BPM_OCTAVES = 120.0, 0.9
"""The tempo that is likeliest, and the standard deviation of tempos about it, in octaves."""
MIN_BPM, MAX_BPM = 40.0, 220.0
TEMPO_STEP = 0.01
"""Difference between the logarithms of neighbouring tempos that are tried."""
BEAT_WEIGHT, PAIR_WEIGHT, BAR_WEIGHT, PHRASE_WEIGHT = 2.0, 0.5, 1.0, 0.5
"""Weights of the autocorrelation at one period, at two, at the bar (three or four, the stronger)
and at eight: a rhythm comes again with its bars, which tells a beat from a dotted one. Tuned, like
HALF_WEIGHT, on 25 drum loops and 10 annotated excerpts (docs/schedules.md)."""
HALF_WEIGHT = 0.4
"""Weight against the autocorrelation at half a period: where what is halfway between the beats is
as strong as they are, it is a beat too."""
LAG_TOLERANCE = 0.01
"""Share of a lag within which the largest autocorrelation counts: no player is a clock."""
BASS_WEIGHT = 0.5
"""Weight of the bass drum against all bands, where the tempo is found."""
TIGHTNESS = 100.0
"""Weight of an even tempo against the flux, alpha in Ellis 2007."""
FLUX_DELAY_S = 0.008
"""Seconds from the middle of the window with the most flux to what begins to sound in it."""
SNAP_S = 0.03
"""Seconds within which a beat is moved to an onset."""
WEAK_SHARE = 0.5
"""Share of the root mean square flux on beats below which beats at the two ends that are not on an
onset are dropped."""
MIN_BEATS = 4
"""Beats fewer than these are no rhythm."""


def find_beats(flux: Mapping[str, np.ndarray], onsets: np.ndarray) -> np.ndarray:
    """Return the beats in seconds, in order; none where there is no rhythm.

    Args:
        flux: (values,) of all bands, "loud", and of the "bass", VALUES_PER_S a second.
        onsets: Instants of onsets in seconds, in order.
    """
    if len(onsets) < MIN_BEATS or not flux["loud"].any():
        return np.zeros(0)
    loud, bass = (
        _smooth(flux[name].astype(np.float64), VALUES_PER_S / 50) for name in ("loud", "bass")
    )
    period = _find_period(loud / loud.std() + BASS_WEIGHT * bass / max(loud.std(), bass.std()))
    places = _track_beats(loud / loud.std(), period)
    beats = _trim_weak(loud, places, onsets)
    return beats if len(beats) >= MIN_BEATS else np.zeros(0)


def tempo_of(beats: np.ndarray) -> float:
    """Return the beats a minute of a line through the beats; 0 without beats."""
    if len(beats) < 2:
        return 0.0
    numbers = np.arange(len(beats)) - (len(beats) - 1) / 2
    period = float((numbers * (beats - beats.mean())).sum() / np.square(numbers).sum())
    return 60 / period


def _smooth(values: np.ndarray, deviation: float) -> np.ndarray:
    """Return values smoothed by a Gaussian of a standard deviation in places."""
    places = np.arange(-int(3 * deviation), int(3 * deviation) + 1)
    kernel = np.exp(-0.5 * np.square(places / deviation))
    return np.convolve(values, kernel / kernel.sum(), mode="same")


def _find_period(strength: np.ndarray) -> float:
    """Return the likeliest period of the beats, in values of the strength."""
    bpm = np.exp(np.arange(np.log(MIN_BPM), np.log(MAX_BPM), TEMPO_STEP))
    periods = 60 * VALUES_PER_S / bpm
    correlation = _autocorrelate(strength, round(8 * (1 + LAG_TOLERANCE) * periods[0]) + 1)

    def recurrence(multiple: float) -> np.ndarray:
        """Return the largest correlation about a multiple of each period."""
        first = np.floor(multiple * periods * (1 - LAG_TOLERANCE)).astype(int)
        last = np.ceil(multiple * periods * (1 + LAG_TOLERANCE)).astype(int)
        return np.array([correlation[f : n + 1].max() for f, n in zip(first, last, strict=True)])

    evidence = (
        BEAT_WEIGHT * recurrence(1)
        + PAIR_WEIGHT * recurrence(2)
        + BAR_WEIGHT * np.maximum(recurrence(3), recurrence(4))
        + PHRASE_WEIGHT * recurrence(8)
        - HALF_WEIGHT * recurrence(0.5)
    )
    likelihood = np.exp(-0.5 * np.square(np.log2(bpm / USUAL_BPM) / BPM_OCTAVES))
    return float(periods[(evidence * likelihood).argmax()])


def _autocorrelate(strength: np.ndarray, longest: int) -> np.ndarray:
    """Return how alike a strength is to itself each lag later: (longest + 1,), from 0 to 1.

    A lag counts by the values that overlap, if they are a quarter of all at least.
    """
    size = 1 << (2 * len(strength) - 1).bit_length()
    power = np.square(np.abs(np.fft.rfft(strength - strength.mean(), size)))
    lags = np.arange(min(longest + 1, len(strength)))
    overlap = np.maximum(len(strength) - lags, len(strength) / 4)
    alike = np.maximum(np.fft.irfft(power, size)[: len(lags)] / overlap, 0)
    return np.pad(alike / alike[0], (0, longest + 1 - len(lags)))


def _track_beats(strength: np.ndarray, period: float) -> np.ndarray:
    """Return the places of the beats that are on strong places and evenly spaced.

    The best score of beats that end at a place is its strength, and the best of those that end
    half to two periods before, less TIGHTNESS * log(gap / period)^2. Half a period at a time is
    computed together, since no gap is shorter.
    """
    shortest, longest = max(1, round(period / 2)), round(2 * period)
    gaps = np.arange(longest, shortest - 1, -1)
    penalty = -TIGHTNESS * np.square(np.log(gaps / period))
    scores = np.concatenate([np.full(longest, -np.inf), np.zeros(len(strength))])
    previous = np.full(len(strength), -1)
    for first in range(0, len(strength), shortest):
        places = np.arange(first, min(first + shortest, len(strength)))
        candidates = scores[places[:, None] + longest - gaps] + penalty
        best = candidates.argmax(axis=1)
        gained = candidates[np.arange(len(places)), best]
        follows = gained > 0
        previous[places[follows]] = (places - gaps[best])[follows]
        scores[places + longest] = strength[places] + np.where(follows, gained, 0)
    return _trace_back(scores[longest:], previous, longest)


def _trace_back(scores: np.ndarray, previous: np.ndarray, longest: int) -> np.ndarray:
    """Return the places of the beats that end best, in order."""
    last = len(scores) - min(longest, len(scores))
    place = last + int(scores[last:].argmax())
    places: list[int] = []
    while place >= 0:
        places.append(place)
        place = int(previous[place])
    return np.array(places[::-1])


def _trim_weak(strength: np.ndarray, places: np.ndarray, onsets: np.ndarray) -> np.ndarray:
    """Return the beats in seconds, without those at the two ends where there is no music yet.

    Each is moved to the nearest onset where one is near.
    """
    beats = places / VALUES_PER_S + FLUX_DELAY_S
    after = np.clip(np.searchsorted(onsets, beats), 1, max(1, len(onsets) - 1))
    nearest = np.where(
        np.abs(onsets[after - 1] - beats) <= np.abs(onsets[after] - beats),
        onsets[after - 1],
        onsets[after],
    )
    is_on_onset = np.abs(nearest - beats) <= SNAP_S
    on_beats = _smooth(strength, 2)[places]
    is_strong = on_beats >= WEAK_SHARE * np.sqrt(np.mean(np.square(on_beats)))
    heard = np.flatnonzero(is_strong | is_on_onset)
    snapped = np.where(is_on_onset, nearest, beats)
    return snapped[heard[0] : heard[-1] + 1] if len(heard) else snapped[:0]
