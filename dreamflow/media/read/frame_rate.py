"""Exact frame rates: 29.97 as 30000/1001, and the rate behind a video's time stamps."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

DEFAULT_PICTURE_FOLDER_FPS = Fraction(24)
"""Frames per second of a folder of pictures where the setting `fps` is not given."""
NTSC_FPS = (23.976, 23.98, 29.97, 47.95, 47.952, 59.94, 119.88)
"""Rounded rates of broadcast, each a whole number * 1000 / 1001."""
EXACT_RATE_BY_ROUNDED_FPS = {
    Fraction(str(number)): Fraction(round(number * 1001 / 1000) * 1000, 1001) for number in NTSC_FPS
}
STANDARD_FRAME_RATES = tuple(
    rate
    for whole in (24, 25, 30, 48, 50, 60, 120)
    for rate in (Fraction(whole), Fraction(whole * 1000, 1001))
)
RATE_ROUNDING_TOLERANCE = 5e-6
"""Relative difference up to which a rate is a rounded standard rate: 29.97 is 30000/1001."""
TIMING_TOLERANCE_S = 1 / 400
"""Seconds that a time stamp may differ from an even grid's: Matroska rounds them to 1 ms."""
MAX_RATE_DENOMINATOR = 1_000_000
MAX_ODD_DURATION_S = Fraction(1)
"""Seconds from which on a single frame's declared duration is meant."""
FALLBACK_FPS, PLAUSIBLE_FPS = Fraction(25), (1, 240)
"""Rate of a single frame whose declared rates are all outside of the plausible range."""


def to_exact_rate(fps: float) -> Fraction:
    """Return frames per second as a fraction; 29.97 is 30000/1001, as everywhere in broadcast."""
    rate = Fraction(str(fps))
    return EXACT_RATE_BY_ROUNDED_FPS.get(rate, rate.limit_denominator(MAX_RATE_DENOMINATOR))


def snap_to_standard_rate(rate: Fraction) -> Fraction:
    """Return the standard rate that a rounded one, such as 29.97, stands for; else itself."""
    for standard in STANDARD_FRAME_RATES:
        if abs(rate / standard - 1) < RATE_ROUNDING_TOLERANCE:
            return standard
    return rate


def detect_frame_rate(
    timestamps: np.ndarray,
    time_base: Fraction,
    declared_rates: list[Fraction],
    last_duration: int = 0,
) -> tuple[Fraction, bool]:
    """Find the frame rate behind time stamps.

    The declared rates are tried first, then the standard ones; the first whose even grid fits all
    time stamps is taken, or else the mean over the whole duration.

    Args:
        timestamps: (frames,) int64, sorted, from 0, in units of `time_base`.
        time_base: Seconds of one unit.
        declared_rates: Rates that the container and the codec claim.
        last_duration: Duration of the last frame in units of `time_base`; 0 where unknown.

    Returns:
        Frames per second, and whether frames come evenly.
    """
    if len(timestamps) == 1:
        low, high = PLAUSIBLE_FPS
        if last_duration * time_base > MAX_ODD_DURATION_S:
            return 1 / (last_duration * time_base), True
        likely = [rate for rate in declared_rates if low <= rate <= high]
        return (likely[0] if likely else FALLBACK_FPS), True
    seconds = timestamps.astype(np.float64) * float(time_base)
    steps = np.diff(seconds)
    measured = Fraction(len(timestamps) - 1, int(timestamps[-1])) / time_base
    # The sort is stable: of two rates that fit alike the whole one, 25 before 25000/1001.
    by_distance = sorted(
        STANDARD_FRAME_RATES, key=lambda rate: round(float(abs(rate - measured)), 1)
    )
    candidates = [*map(snap_to_standard_rate, declared_rates), *by_distance[:2]]
    for rate in [*candidates, measured.limit_denominator(1001)]:
        drift = seconds - np.arange(len(timestamps)) / float(rate)
        if float(drift.max() - drift.min()) <= 2 * TIMING_TOLERANCE_S:
            return rate, True
    last = float(last_duration * time_base) or float(np.median(steps))
    return Fraction(len(timestamps) / (seconds[-1] + last)).limit_denominator(100_000), False


def find_length(
    timestamps: np.ndarray,
    time_base: Fraction,
    rate: Fraction,
    constant_rate: bool,
    last_duration: int,
) -> Fraction:
    """Return the seconds from the first frame to the end of the last, which may be held.

    Args:
        timestamps: (frames,) int64, sorted, from 0, in units of `time_base`.
        time_base: Seconds of one unit.
        rate: Frames per second; the mean where they come unevenly.
        constant_rate: Whether frames come evenly.
        last_duration: Duration of the last frame in units of `time_base`; 0 where unknown.
    """
    frame_s = 1 / rate
    last_s = last_duration * time_base or frame_s
    if not constant_rate:
        return int(timestamps[-1]) * time_base + last_s
    is_held = last_s > frame_s + Fraction(2 * TIMING_TOLERANCE_S).limit_denominator(1000)
    return (len(timestamps) - 1) / rate + (last_s if is_held else frame_s)
