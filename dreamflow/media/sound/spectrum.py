"""Short-time spectrum of a sound: how loud its bands are, and how much of it is new."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from dreamflow.media.sound.decode import SAMPLE_RATE

VALUES_PER_S = 200
"""Values of a series a second."""
HOP_SAMPLES = SAMPLE_RATE // VALUES_PER_S
WINDOW_SAMPLES = 1024
"""Samples of a Hann window: 43 ms, with a bin every 23 Hz."""
LOW_WINDOW_SAMPLES = 2048
"""Samples of the Blackman-Harris window in which low frequencies are told apart: 85 ms. A tone
leaks 1e-9 of its power to where it is 47 Hz away; in the Hann window, 1e-2."""
LOW_WINDOW_TERMS = (0.35875, 0.48829, 0.14128, 0.01168)
"""Terms of the window (Harris 1978)."""
LOW_BINS = 25
"""Bins of that window, up to 290 Hz, that stand in for the lowest 13 of the Hann window."""
ENVELOPE_SAMPLES = 24
"""Samples of a value of the envelope, which is a millisecond."""
BANDS_HZ = {"bass": (20.0, 150.0), "mid": (150.0, 2500.0), "high": (2500.0, 11000.0)}
"""Lowest and highest frequency of each band."""
BARK_EDGES_HZ = (
    *(20, 150, 300, 400, 510, 630, 770, 920, 1080, 1270, 1480, 1720, 2000, 2320, 2700),
    *(3150, 3700, 4400, 5300, 6400, 7700, 9500, 11000),
)
"""Edges of the critical bands of hearing (Zwicker 1961), in which new sound is looked for.

The three lowest are two, so that one of them is the bass.
"""
FLUX_LAG = 3
"""Values by which the spectra lie apart that flux compares: 15 ms."""
FLUX_COMPRESSION = 3.5
"""C of log(1 + C * amplitude / loudest), with which spectra are compared; see `loud_amplitude`."""


@dataclass(frozen=True)
class ShortTimeSpectrum:
    """What the spectra of a sound come to; values lie VALUES_PER_S a second, from time 0 on.

    Attributes:
        power: float32 (values,) of all bands together and of each: mean square, full scale 1.
        flux: float32 (values,) likewise: by how much the critical bands have grown, in log units.
        peaks: float32 (values,), largest amplitude, full scale 1.
        envelope: float32, root mean square of each millisecond.
        length_s: Seconds of the sound.
    """

    power: dict[str, np.ndarray]
    flux: dict[str, np.ndarray]
    peaks: np.ndarray
    envelope: np.ndarray
    length_s: float


def measure_spectrum(blocks: Iterable[np.ndarray]) -> ShortTimeSpectrum:
    """Return what the spectra of a sound come to.

    The sound goes by block by block; what is kept is about 1.7 MB a minute, and a third of it is
    returned.

    Args:
        blocks: float32 (samples,), SAMPLE_RATE a second.
    """
    powers: list[np.ndarray] = []
    amplitudes: list[np.ndarray] = []
    peaks: list[np.ndarray] = []
    envelopes: list[np.ndarray] = []
    count = 0
    for samples, envelope, length in _cut_windows(blocks):
        band_power, band_amplitudes, largest = _measure_windows(samples)
        powers.append(band_power)
        amplitudes.append(band_amplitudes)
        peaks.append(largest)
        envelopes.append(envelope)
        count += length
    power = np.concatenate(powers)
    loud = power.sum(axis=1)
    flux = _measure_flux(amplitudes, loud_amplitude(loud))
    return ShortTimeSpectrum(
        {"loud": loud, **{n: power[:, k] for k, n in enumerate(BANDS_HZ)}},
        {"loud": flux[:, -1], **{n: flux[:, k] for k, n in enumerate(BANDS_HZ)}},
        np.concatenate(peaks),
        np.concatenate(envelopes),
        count / SAMPLE_RATE,
    )


def loud_amplitude(power: np.ndarray) -> float:
    """Return the amplitude of the loud parts of a sound: its mean power, weighted by itself.

    Silence around what sounds does not count, so that a sound is heard alike at any gain.

    Args:
        power: (values,) of all bands together.
    """
    total = float(power.sum(dtype=np.float64))
    if total <= 0:
        return 0.0
    return math.sqrt(float(np.square(power, dtype=np.float64).sum()) / total)


def _measure_flux(amplitudes: Iterable[np.ndarray], loudest: float) -> np.ndarray:
    """Return by how much the critical bands grow in each band, and last in all of them.

    Args:
        amplitudes: (windows, critical bands) of pieces of the sound, in order.
        loudest: The amplitude of its loud parts; 0 where it is silent.
    """
    scale = np.float32(FLUX_COMPRESSION / loudest if loudest > 0 else 0)
    before = np.zeros((FLUX_LAG, len(BARK_EDGES_HZ) - 1), np.float32)
    fluxes: list[np.ndarray] = []
    for piece in amplitudes:
        spectra = np.concatenate([before, np.log1p(scale * piece)])
        fluxes.append(_mean_growth(np.maximum(spectra[FLUX_LAG:] - spectra[:-FLUX_LAG], 0)))
        before = spectra[-FLUX_LAG:]
    return np.concatenate(fluxes)


def _cut_windows(
    blocks: Iterable[np.ndarray],
) -> Iterator[tuple[np.ndarray, np.ndarray, int]]:
    """Yield the samples under whole windows, their envelope, and how many of them are new.

    The first window is centred on time 0, the last at the end or before it; around the sound is
    silence.
    """
    half = LOW_WINDOW_SAMPLES // 2
    held = np.zeros(half, np.float32)
    begun = np.zeros(0, np.float32)  # of the envelope
    for block, is_last in _mark_last(blocks):
        begun = np.concatenate([begun, block])
        whole = len(begun) if is_last else len(begun) // ENVELOPE_SAMPLES * ENVELOPE_SAMPLES
        envelope = _measure_envelope(begun[:whole])
        begun = begun[whole:]
        padding = np.zeros(half if is_last else 0, np.float32)
        held = np.concatenate([held, block, padding])
        windows = max(0, (len(held) - LOW_WINDOW_SAMPLES) // HOP_SAMPLES + 1)
        if is_last and not windows:
            held = np.pad(held, (0, LOW_WINDOW_SAMPLES - len(held)))
            windows = 1
        end = (windows - 1) * HOP_SAMPLES + LOW_WINDOW_SAMPLES
        if windows:
            yield held[:end], envelope, len(block)
            held = held[windows * HOP_SAMPLES :]


def _mark_last(blocks: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, bool]]:
    """Yield each block, and whether it is the last; at least one, which may be empty."""
    before: np.ndarray | None = None
    for block in blocks:
        if before is not None:
            yield before, False
        before = block
    yield np.zeros(0, np.float32) if before is None else before, True


def _measure_envelope(samples: np.ndarray) -> np.ndarray:
    """Return the root mean square of each ENVELOPE_SAMPLES, the last padded with silence."""
    padded = np.pad(samples, (0, -len(samples) % ENVELOPE_SAMPLES)).reshape(-1, ENVELOPE_SAMPLES)
    return np.sqrt(np.mean(np.square(padded), axis=1, dtype=np.float32))


def _measure_windows(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the power of the bands, the amplitudes of critical bands, and the largest amplitude.

    Each has a row for each window.
    """
    long_windows = sliding_window_view(samples, LOW_WINDOW_SAMPLES)[::HOP_SAMPLES]
    begin = (LOW_WINDOW_SAMPLES - WINDOW_SAMPLES) // 2
    windows = long_windows[:, begin : begin + WINDOW_SAMPLES]
    taper = np.hanning(WINDOW_SAMPLES + 1)[:-1].astype(np.float32)
    # What is constant is no sound; the tapered mean has none of it in any bin.
    centred = windows - (windows @ (taper / taper.sum()))[:, None]
    middle = slice((WINDOW_SAMPLES - HOP_SAMPLES) // 2, (WINDOW_SAMPLES + HOP_SAMPLES) // 2)
    peaks = np.abs(centred[:, middle]).max(axis=1)
    spectra = np.fft.rfft(centred * taper, axis=1)
    power = _power_of(spectra.real, spectra.imag, taper)
    amplitudes = np.sqrt(_sum_bands(power, BARK_EDGES_HZ))
    return _measure_bands(power, _measure_low_power(long_windows)), amplitudes, peaks


def _measure_bands(power: np.ndarray, low_power: np.ndarray) -> np.ndarray:
    """Return the power of each band: float32 (windows, bands).

    Args:
        power: (windows, bins) under the Hann window.
        low_power: (windows, LOW_BINS) of the same under the longer one.
    """
    from_hann = LOW_BINS * WINDOW_SAMPLES // LOW_WINDOW_SAMPLES + 1
    low_spectrum = np.concatenate([low_power, power[:, from_hann:]], axis=1)

    def bin_of(edge_hz: float) -> int:
        low_bin = round(edge_hz * LOW_WINDOW_SAMPLES / SAMPLE_RATE)
        if low_bin < LOW_BINS:
            return low_bin
        return round(edge_hz * WINDOW_SAMPLES / SAMPLE_RATE) - from_hann + LOW_BINS

    bands = [
        low_spectrum[:, bin_of(low) : bin_of(high)].sum(axis=1) for low, high in BANDS_HZ.values()
    ]
    return np.stack(bands, axis=1)


def _measure_low_power(windows: np.ndarray) -> np.ndarray:
    """Return the power of the lowest bins of long windows: float32 (windows, LOW_BINS)."""
    taper, kernel = _make_low_kernel()
    # What is constant is taken off first: in float32 the kernel leaves a trace of it, by processor.
    constant = np.einsum("ij,j->i", windows, taper / taper.sum(), dtype=np.float64)
    parts = (windows - constant.astype(np.float32)[:, None]) @ kernel
    return _power_of(parts[:, :LOW_BINS], parts[:, LOW_BINS:], taper)


@cache
def _make_low_kernel() -> tuple[np.ndarray, np.ndarray]:
    """Return the long window, and the lowest bins under it.

    Returns:
        (LOW_WINDOW_SAMPLES,), and float32 (LOW_WINDOW_SAMPLES, 2 * LOW_BINS): the real parts of the
        bins, then the imaginary ones.
    """
    turns = np.arange(LOW_WINDOW_SAMPLES) / LOW_WINDOW_SAMPLES
    taper = sum(
        (-1) ** n * term * np.cos(2 * np.pi * n * turns) for n, term in enumerate(LOW_WINDOW_TERMS)
    )
    taper = np.asarray(taper)
    kernel = taper[:, None] * np.exp(-2j * np.pi * turns[:, None] * np.arange(LOW_BINS))
    kernel -= taper[:, None] * kernel.sum(axis=0) / taper.sum()  # takes the tapered mean off
    return taper, np.concatenate([kernel.real, kernel.imag], axis=1).astype(np.float32)


def _power_of(real: np.ndarray, imaginary: np.ndarray, taper: np.ndarray) -> np.ndarray:
    """Return the power of each bin, float32, which add up to the mean square under the window."""
    # Parseval: the other half of the spectrum is the same.
    scale = np.float32(2 / (len(taper) * np.square(taper).sum()))
    return (np.square(real) + np.square(imaginary)).astype(np.float32) * scale


def _sum_bands(power: np.ndarray, edges_hz: Iterable[float]) -> np.ndarray:
    """Return the power between each edge and the next: float32 (windows, edges - 1)."""
    bins = [round(edge * WINDOW_SAMPLES / SAMPLE_RATE) for edge in edges_hz]
    return np.add.reduceat(power[:, : bins[-1]], bins[:-1], axis=1)


def _mean_growth(growth: np.ndarray) -> np.ndarray:
    """Return the mean growth of the critical bands in each band, and last in all of them."""
    centres = (np.array(BARK_EDGES_HZ[1:]) + np.array(BARK_EDGES_HZ[:-1])) / 2
    within = [(low <= centres) & (centres < high) for low, high in BANDS_HZ.values()]
    means = [growth[:, mask].mean(axis=1) for mask in (*within, centres > 0)]
    return np.stack(means, axis=1).astype(np.float32)
