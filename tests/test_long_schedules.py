"""Schedules of thousands of keyframes: reading them is linear, and a frame of them costs nothing.

Work is counted in calls, not in seconds, so that the tests say the same on any machine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import pytest

from dreamflow.core.errors import SettingsError
from dreamflow.core.schedules.schedule import LayerSchedule, Schedule
from dreamflow.core.schedules.timecode import Timeline
from dreamflow.dream.options import DreamOptions
from dreamflow.pipelines.settings.presets import validate_settings

RATE = Fraction(24)


def count_calls(work: Callable[[], Any]) -> int:
    """Return how many functions some work calls, those written in C included."""
    calls = 0

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls


def numbers(count: int) -> str:
    return ", ".join(f"{n}: {1 + n % 7 / 8}" for n in range(count))


def arithmetic(count: int) -> str:
    return ", ".join(f"{n}: 1.5 + sin(t * {1 + n % 5})" for n in range(count))


def mixed_units(count: int) -> str:
    return ", ".join(f"{n}: 1, {n / 24 + 0.01:.4f}s: 2" for n in range(count))


def layers(count: int) -> str:
    return ", ".join(f"{n}: inception_3b/1x1={1 + n % 3} + conv2/3x3:{n % 9}" for n in range(count))


READERS: dict[str, Callable[[int], Any]] = {
    "numbers": lambda count: Schedule(numbers(count)),
    "arithmetic": lambda count: Schedule(arithmetic(count)),
    "mixed units": lambda count: Schedule(mixed_units(count)),
    "layers": lambda count: LayerSchedule((layers(count),)),
    "a setting": lambda count: DreamOptions(step=numbers(count)),
    "a table of settings": lambda count: validate_settings({"step": numbers(count)}, "table"),
    "layers of a table": lambda count: validate_settings({"layer": layers(count)}, "table"),
}


@pytest.mark.parametrize("reader", READERS)
def test_reading_is_linear_in_the_keyframes(reader: str) -> None:
    read = READERS[reader]
    read(10)
    few, many = count_calls(lambda: read(200)), count_calls(lambda: read(800))
    assert many < 5 * few


@pytest.mark.parametrize("text", [numbers, arithmetic])
def test_checking_is_almost_linear_in_the_keyframes(text: Callable[[int], str]) -> None:
    def check(count: int) -> Callable[[], None]:
        options = DreamOptions(step=text(count))
        return lambda: options.check_schedules(Timeline(RATE, count / RATE))

    assert count_calls(check(800)) < 6 * count_calls(check(200))


def test_a_frame_of_a_keyframe_a_frame_costs_almost_nothing() -> None:
    def calls_of_a_frame(count: int) -> int:
        options = DreamOptions(step=numbers(count), layer=(layers(count),))
        timeline = Timeline(RATE, count / RATE)
        moment = timeline.moment_at(Fraction(count // 2, 24))
        options.at(moment)
        return count_calls(lambda: options.at(moment))

    # Eight halvings more to find the keyframes, each some calls.
    assert calls_of_a_frame(2560) < calls_of_a_frame(10) + 500


@pytest.mark.parametrize("count", [1, 2, 3, 4320])
def test_each_frame_has_the_value_of_its_own_keyframe(count: int) -> None:
    schedule = Schedule(numbers(count))
    timeline = Timeline(RATE, count / RATE)
    values = [schedule.at(moment) for moment in timeline.moments()]
    assert values == [1 + n % 7 / 8 for n in range(count)]


@pytest.mark.parametrize("late", ["3: 1, 2: 1", "3: 1, 50%: 1, 2: 1", "3: 1, 5s: 1, 3: 1"])
def test_keyframes_of_one_unit_are_kept_in_order_among_others(late: str) -> None:
    with pytest.raises(SettingsError) as error:
        Schedule(f"0: 1, 1: 1, {late}")
    assert error.value.where is not None
    assert error.value.where.startswith(f"keyframe {2 + len(late.split(','))} ")
