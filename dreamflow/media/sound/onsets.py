"""Onsets: the instants at which something begins to sound, as peaks of spectral flux."""

from __future__ import annotations

import numpy as np

from dreamflow.media.sound.decode import SAMPLE_RATE
from dreamflow.media.sound.spectrum import ENVELOPE_SAMPLES, VALUES_PER_S

MIN_FLUX = 0.003
"""Smallest flux of an onset, in log units a critical band."""
MIN_FLUX_SHARE = 0.2
"""Smallest flux of an onset, as a share of the 99th percentile of what flux there is."""
MIN_BAND_FLUX_SHARE = 0.3
"""The same for a single band, whose flux varies more: fewer critical bands are averaged."""
MIN_BAND_FLUX_RATIO = 3.0
"""Smallest flux of a band's onset, as a multiple of the median: noise, whose flux never rests, has
few. On annotated music as many beats have an onset in a band as without it, within 4%."""
NEAR_S, AROUND_S = 0.03, 0.2
"""An onset is the largest flux within NEAR_S, and above the mean within AROUND_S ..."""
ABOVE_MEAN = 2.0
"""... by this factor."""
MIN_GAP_S = 0.06
"""Seconds between two onsets at least."""
ENDING_S = (0.02, 0.045)
"""From the middle of the window with the most flux, before and after: where the sound falls to
ENDING_SHARE of its power, something ends, and the click of it is no onset."""
ENDING_SHARE = 0.2
ATTACK_S = (-0.015, 0.04)
"""Where, from the middle of the window with the most flux, the attack itself is looked for: a
window begins to see it half a window before."""
RISE_S = 0.005
"""Seconds before and after an instant whose amplitudes are compared to find the steepest rise."""


def find_onsets(flux: np.ndarray, envelope: np.ndarray, of_band: bool = False) -> np.ndarray:
    """Return the instants at which something begins to sound, in seconds, in order.

    Peaks of the flux above its surroundings (Bock et al. 2012), each moved to the steepest rise of
    the envelope.

    Args:
        flux: (values,), VALUES_PER_S a second.
        envelope: Root mean square of each millisecond.
        of_band: Whether the flux is that of a single band.
    """
    flowing = flux[flux > MIN_FLUX]
    if not len(flowing):
        return np.zeros(0)
    min_share = MIN_BAND_FLUX_SHARE if of_band else MIN_FLUX_SHARE
    lowest = max(MIN_FLUX, min_share * float(np.percentile(flowing, 99)))
    if of_band:
        lowest = max(lowest, MIN_BAND_FLUX_RATIO * float(np.median(flux[flux > 0])))
    near, around = round(NEAR_S * VALUES_PER_S), round(AROUND_S * VALUES_PER_S)
    is_peak = (flux >= _largest_within(flux, near)) & (flux > lowest)
    is_peak &= flux > ABOVE_MEAN * _mean_within(flux, around)
    times: list[float] = []
    for index in np.flatnonzero(is_peak):
        if _is_ending(envelope, index / VALUES_PER_S):
            continue
        time = _find_attack(envelope, index / VALUES_PER_S)
        if not times or time - times[-1] >= MIN_GAP_S:
            times.append(time)
    return np.array(times)


def _largest_within(values: np.ndarray, reach: int) -> np.ndarray:
    """Return the largest value up to `reach` places before and after each."""
    padded = np.pad(values, reach, constant_values=-np.inf)
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).max(axis=1)


def _mean_within(values: np.ndarray, reach: int) -> np.ndarray:
    """Return the mean of the values up to `reach` places before and after each."""
    total = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    places = np.arange(len(values))
    first, stop = np.maximum(places - reach, 0), np.minimum(places + reach + 1, len(values))
    return (total[stop] - total[first]) / (stop - first)


def _is_ending(envelope: np.ndarray, time: float) -> bool:
    """Return whether something ends about a time, rather than begins."""
    per_s = SAMPLE_RATE / ENVELOPE_SAMPLES
    before = envelope[
        max(0, round((time - ENDING_S[1]) * per_s)) : max(0, round((time - ENDING_S[0]) * per_s))
    ]
    after = envelope[round((time + ENDING_S[0]) * per_s) : round((time + ENDING_S[1]) * per_s)]
    power_before = float(np.square(before).mean()) if len(before) else 0.0
    power_after = float(np.square(after).mean()) if len(after) else 0.0
    return power_after < ENDING_SHARE * power_before


def _find_attack(envelope: np.ndarray, time: float) -> float:
    """Return the instant of the envelope's steepest rise about a time, in seconds."""
    per_s = SAMPLE_RATE / ENVELOPE_SAMPLES
    reach = round(RISE_S * per_s)
    first = max(0, round((time + ATTACK_S[0]) * per_s))
    stop = min(len(envelope), round((time + ATTACK_S[1]) * per_s))
    if stop <= first:
        return max(0.0, time)
    padded = np.concatenate(
        [np.zeros(max(0, reach - first)), envelope[max(0, first - reach) : stop + reach]]
    )
    padded = np.pad(padded, (0, stop - first + 2 * reach - len(padded)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach)[: stop - first]
    rise = windows[:, reach:].mean(axis=1) - windows[:, :reach].mean(axis=1)
    return (first + int(rise.argmax())) / per_s
