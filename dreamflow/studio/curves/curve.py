"""A setting over time as a curve: its keyframes with their times, and the text with one changed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from dreamflow.core.errors import SettingsError
from dreamflow.core.options.declaration import format_setting_value
from dreamflow.core.schedules.keyframes import INTERPOLATIONS, Keyframe
from dreamflow.core.schedules.schedule import LayerSchedule, Schedule, parse_layers
from dreamflow.core.schedules.timecode import Moment, Timeline

LINEAR = INTERPOLATIONS[0]
SAMPLES = 400
"""Points of a curve that follows arithmetic, over the whole film."""


@dataclass(frozen=True)
class CurvePoint:
    """A keyframe.

    Attributes:
        time: Its time as it is written.
        value: Its value as it is written: a number, arithmetic, or layers.
        interpolation: How it goes on to the next keyframe.
        seconds: Its time in seconds from the film's first frame.
        number: Its value then; None of layers, and where arithmetic has none.
        is_plain: Whether the value is a number, which may be dragged up and down.
    """

    time: str
    value: str
    interpolation: str = LINEAR
    seconds: float = 0.0
    number: float | None = None
    is_plain: bool = False


@dataclass(frozen=True)
class LayerSpan:
    """A stretch of time of a curve of layers.

    Attributes:
        begin: In seconds.
        end: In seconds.
        name: The layers at its beginning.
        next_name: The layers that it fades to; "" where they stay.
    """

    begin: float
    end: float
    name: str
    next_name: str = ""


@dataclass(frozen=True)
class Curve:
    """A setting over time.

    Attributes:
        text: The schedule, or the constant value.
        points: Its keyframes; empty of a value without them.
        constant: Its value, where it stays the same.
        samples: Time and value along it, where it is not determined by plain keyframes.
        spans: The stretches of a curve of layers.
        failure: Why it cannot be drawn, or "".
    """

    text: str
    points: tuple[CurvePoint, ...] = ()
    constant: float | None = None
    samples: tuple[tuple[float, float], ...] = ()
    spans: tuple[LayerSpan, ...] = ()
    failure: str = ""


def make_curve(name: str, value: Any, timeline: Timeline) -> Curve:
    """Return the curve of a setting.

    Args:
        name: The setting.
        value: Its plain value: a number, the text of a schedule, or the texts of layers.
        timeline: The film's.
    """
    if name == "layer":
        return _make_layer_curve([value] if isinstance(value, str) else value, timeline)
    schedule = Schedule(format_setting_value(value))
    try:
        schedule.check_signals(timeline)
        seconds = [float(k.timecode.to_seconds(timeline)) for k in schedule.keyframes]
    except SettingsError as error:
        return Curve(str(schedule), failure=str(error))
    has_keyframes = schedule.keyframes[0].number > 0
    if not has_keyframes and not schedule.has_time_expressions:
        return Curve(str(schedule), constant=schedule.values[0](Moment()))
    pairs = zip(schedule.keyframes, seconds, strict=True)
    points = tuple(_make_point(keyframe, second, schedule, timeline) for keyframe, second in pairs)
    if has_keyframes and all(point.is_plain for point in points):
        return Curve(str(schedule), points)
    samples = _sample(schedule, timeline, seconds)
    return Curve(str(schedule), points if has_keyframes else (), samples=samples)


def _make_point(
    keyframe: Keyframe, second: float, schedule: Schedule, timeline: Timeline
) -> CurvePoint:
    value = schedule.values[max(0, keyframe.number - 1)](Moment(Fraction(second), timeline))
    try:
        is_plain = math.isfinite(float(keyframe.value))
    except ValueError:
        is_plain = False
    return CurvePoint(
        *(_time_text(keyframe), keyframe.value, keyframe.interpolation, second),
        value if math.isfinite(value) else None,
        is_plain,
    )


def _time_text(keyframe: Keyframe) -> str:
    """Return the time as it was written; "" of a value without one."""
    units = {"frames": "", "seconds": "s", "percent": "%", "beats": "b", "bars": "bar"}
    timecode = keyframe.timecode
    return f"{_format_number(timecode.amount)}{units[timecode.unit]}" if keyframe.number else ""


def _sample(
    schedule: Schedule, timeline: Timeline, corners: Sequence[float]
) -> tuple[tuple[float, float], ...]:
    """Return points along a schedule, its keyframes among them; none where it has no value."""
    length = float(timeline.length)
    even = [length * n / SAMPLES for n in range(SAMPLES + 1)]
    times = sorted({*even, *(time for time in corners if 0 <= time <= length)})
    pairs = [(time, schedule.at(Moment(Fraction(time), timeline))) for time in times]
    return tuple((time, value) for time, value in pairs if math.isfinite(value))


def _make_layer_curve(texts: Sequence[str], timeline: Timeline) -> Curve:
    schedule = parse_layers(tuple(texts))
    if schedule.is_constant:
        text = " + ".join(texts)
        return Curve(text, spans=(LayerSpan(0.0, float(timeline.length), text),))
    try:
        schedule.check_signals(timeline)
    except SettingsError as error:
        return Curve(texts[0], failure=str(error))
    if schedule.stay is not None:
        return Curve(texts[0], spans=_find_beat_spans(schedule, timeline))
    points = tuple(
        CurvePoint(
            *(_time_text(keyframe), keyframe.value, keyframe.interpolation),
            float(keyframe.timecode.to_seconds(timeline)),
        )
        for keyframe in schedule.keyframes
    )
    return Curve(texts[0], points, spans=_find_spans(points, float(timeline.length)))


def _find_spans(points: Sequence[CurvePoint], length: float) -> tuple[LayerSpan, ...]:
    spans: list[LayerSpan] = []
    if points[0].seconds > 0:
        spans.append(LayerSpan(0.0, points[0].seconds, points[0].value))
    for point, following in itertools.pairwise(points):
        fades = point.interpolation != "hold" and point.value != following.value
        next_name = following.value if fades else ""
        spans.append(LayerSpan(point.seconds, following.seconds, point.value, next_name))
    if points[-1].seconds < length:
        spans.append(LayerSpan(points[-1].seconds, length, points[-1].value))
    return tuple(spans)


def _find_beat_spans(schedule: LayerSchedule, timeline: Timeline) -> tuple[LayerSpan, ...]:
    """Return the stretches of layers that come again and again on beats."""
    assert schedule.stay is not None
    spans: list[LayerSpan] = []
    begin, turn, length = 0.0, 0, float(timeline.length)
    while begin < length:
        keyframe = schedule.keyframes[turn % len(schedule.keyframes)]
        following = schedule.keyframes[(turn + 1) % len(schedule.keyframes)]
        turn += 1
        changes = replace(schedule.stay, amount=turn * schedule.stay.amount)
        end = min(length, float(changes.to_seconds(timeline)))
        if end <= begin:
            continue
        fades = keyframe.interpolation != "hold"
        spans.append(LayerSpan(begin, end, keyframe.value, following.value if fades else ""))
        begin = end
    return tuple(spans)


def move_point(
    curve: Curve, place: int, time: str, seconds: float, value: str | None = None
) -> str:
    """Return the text of a curve with a keyframe at another time, and with another value."""
    point = curve.points[place]
    moved = replace(point, time=time, seconds=seconds, value=value or point.value)
    return format_points([*curve.points[:place], moved, *curve.points[place + 1 :]])


def add_point(curve: Curve, time: str, seconds: float, value: str) -> str:
    """Return the text of a curve with another keyframe.

    What has no keyframes yet gets one at its beginning, with the value that it had.
    """
    points = list(curve.points)
    if not points and seconds > 0:
        points = [CurvePoint("0", curve.text)]
    # The one before says how it goes on to the new one, which goes on in the same way.
    before = [point for point in points if point.seconds <= seconds]
    interpolation = before[-1].interpolation if before else LINEAR
    added = CurvePoint(time, value, interpolation, seconds)
    return format_points([*points[: len(before)], added, *points[len(before) :]])


def remove_point(curve: Curve, place: int) -> str:
    """Return the text of a curve without a keyframe; the last one leaves its value."""
    rest = [*curve.points[:place], *curve.points[place + 1 :]]
    return format_points(rest) if rest else curve.points[place].value


def set_point(
    curve: Curve,
    place: int,
    *,
    time: str | None = None,
    value: str | None = None,
    interpolation: str | None = None,
) -> str:
    """Return the text of a curve with some of a keyframe's text changed."""
    point = curve.points[place]
    changed = replace(
        point,
        time=point.time if time is None else time,
        value=point.value if value is None else value,
        interpolation=interpolation or point.interpolation,
    )
    return format_points([*curve.points[:place], changed, *curve.points[place + 1 :]])


def format_points(points: Sequence[CurvePoint]) -> str:
    """Return keyframes as the text of a schedule."""
    words = {point.interpolation for point in points[:-1]}
    if len(words) == 1 and (common := words.pop()) != LINEAR:
        return ", ".join([common, *(f"{point.time}: {point.value}" for point in points)])
    parts: list[str] = []
    for place, point in enumerate(points):
        is_said = point.interpolation != LINEAR and place < len(points) - 1
        word = f" {point.interpolation}" if is_said else ""
        parts.append(f"{point.time}: {point.value}{word}")
    return ", ".join(parts)


def format_value(value: float, step: float) -> str:
    """Return a dragged value as text: at a multiple of a step, without digits of no account."""
    return _format_number(Fraction(round(value / step)) * Fraction(str(step)))


def _format_number(number: Fraction) -> str:
    text = f"{float(number):.6f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
