"""Makes groove.flac: 10 s of drums and bass, 112 beats a minute, of sines and noise alone (CC0)."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

RATE = 32000
BPM = 112
SECONDS = 10
BASS_HZ = (55.0, 55.0, 65.4, 49.0)
"""A note for each bar of four beats."""


def make_groove() -> np.ndarray:
    """Return the groove: float32 (samples,), full scale 1."""
    random = np.random.default_rng(112)
    mix = np.zeros(SECONDS * RATE)
    for step in range(int(SECONDS * BPM / 60 * 4)):  # sixteenths
        first = round(step * 15 / BPM * RATE)
        beat, within = divmod(step, 4)
        if within == 0 and beat % 2 == 0:
            _add(mix, first, 0.9 * _kick())
        if within == 0 and beat % 2 == 1:
            _add(mix, first, 0.4 * _burst(random, 0.18, 22))
        if within == 2 and beat >= 4:
            _add(mix, first, 0.15 * np.diff(_burst(random, 0.06, 70), prepend=0))
        if within in (0, 3):
            _add(mix, first, 0.3 * _note(BASS_HZ[beat // 4 % 4]))
    return (0.9 * mix / np.abs(mix).max()).astype(np.float32)


def _add(mix: np.ndarray, first: int, sound: np.ndarray) -> None:
    sound = sound[: len(mix) - first]
    mix[first : first + len(sound)] += sound


def _kick() -> np.ndarray:
    times = np.arange(round(0.25 * RATE)) / RATE
    phase = 48 * times + 1.6 * (1 - np.exp(-35 * times))
    return np.sin(2 * np.pi * phase) * np.exp(-14 * times)


def _burst(random: np.random.Generator, seconds: float, decay: float) -> np.ndarray:
    times = np.arange(round(seconds * RATE)) / RATE
    return random.standard_normal(len(times)) * np.exp(-decay * times)


def _note(frequency: float) -> np.ndarray:
    times = np.arange(round(0.3 * RATE)) / RATE
    partials = sum(np.sin(2 * np.pi * frequency * n * times) / n**1.5 for n in range(1, 7))
    return partials * np.minimum(1, times / 0.005) * np.exp(-6 * times)


def write_flac(samples: np.ndarray, path: Path) -> None:
    """Write mono samples as 16-bit FLAC."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(
            np.round(samples * 32767).astype(np.int16)[None], "s16", "mono"
        )
        frame.sample_rate = RATE
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


if __name__ == "__main__":
    write_flac(make_groove(), Path(__file__).with_name("groove.flac"))
