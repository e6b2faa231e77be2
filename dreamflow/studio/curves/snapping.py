"""Times to which keyframes snap, and how they are written."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from fractions import Fraction

from dreamflow.core.schedules.timecode import Timeline

FRAMES, SECONDS, BEATS, HALF_BEATS, ONSETS = "frames", "seconds", "beats", "half beats", "onsets"
SNAPPINGS = (FRAMES, SECONDS, BEATS, HALF_BEATS, ONSETS)
SECONDS_STEP = Fraction(1, 10)
"""Distance of the times that `SECONDS` snaps to."""


def snap_time(seconds: float, snapping: str, timeline: Timeline) -> tuple[str, float]:
    """Return the nearest time that a keyframe may have: as text, and in seconds.

    Where there are no beats or onsets, and before the first beat, it snaps to frames.

    Args:
        seconds: From the film's first frame.
        snapping: One of `SNAPPINGS`.
        timeline: The film's.
    """
    time = min(max(Fraction(seconds), Fraction(0)), timeline.length)
    if snapping == SECONDS:
        snapped = round(time / SECONDS_STEP) * SECONDS_STEP
        return _format_seconds(float(snapped)), float(snapped)
    signals = timeline.signals
    if snapping in (BEATS, HALF_BEATS) and signals and signals.beats:
        parts = 2 if snapping == HALF_BEATS else 1
        position = signals.beats.position(float(time + signals.start))
        beat = Fraction(round(position * parts), parts)
        at = timeline.time_of_beat(beat)
        if beat >= 0 and 0 <= at <= timeline.length:
            return f"{float(beat):g}b", float(at)
    if snapping == ONSETS and (times := list_onsets(timeline)):
        onset = _find_nearest(times, float(time))
        return _format_seconds(onset), onset
    frame = round(time * timeline.rate)
    return str(frame), float(frame / timeline.rate)


def list_snap_times(snapping: str, timeline: Timeline) -> list[float]:
    """Return the beats or onsets that a keyframe may snap to; [] of frames and seconds."""
    if snapping == ONSETS:
        return list_onsets(timeline)
    if snapping in (BEATS, HALF_BEATS):
        return list_beats(timeline, 2 if snapping == HALF_BEATS else 1)
    return []


def list_beats(timeline: Timeline, parts: int = 1) -> list[float]:
    """Return the seconds of the beats of a film, and of parts of them, from beat 0 on."""
    signals = timeline.signals
    if signals is None or signals.beats is None:
        return []
    first = max(0, int(signals.beats.position(float(signals.start))))
    times: list[float] = []
    beat = Fraction(first)
    while (time := float(timeline.time_of_beat(beat))) <= timeline.length:
        if time >= 0:
            times.append(time)
        beat += Fraction(1, parts)
    return times


def list_onsets(timeline: Timeline) -> list[float]:
    """Return the seconds of the onsets in a film."""
    signals = timeline.signals
    if signals is None:
        return []
    start = float(signals.start)
    times = (time - start for time in signals.onsets.get("audio.onset", ()))
    return [time for time in times if 0 <= time <= timeline.length]


def _find_nearest(times: Sequence[float], time: float) -> float:
    after = bisect_left(times, time)
    near = times[max(0, after - 1) : after + 1]
    return min(near, key=lambda one: abs(one - time))


def _format_seconds(seconds: float) -> str:
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
