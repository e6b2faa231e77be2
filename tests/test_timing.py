"""Stage times add up, thread by thread."""

from __future__ import annotations

import time
from collections.abc import Iterator

from dreamflow.core.prefetch import prefetch
from dreamflow.core.timing import IGNORED_STAGE_TIMES, WAITING_STAGE, StageTimes


def test_a_nested_stage_counts_for_itself_only() -> None:
    times = StageTimes()
    started = time.perf_counter()
    with times.stage("dream"):
        time.sleep(0.02)
        with times.stage("flow"):
            time.sleep(0.04)
    elapsed = time.perf_counter() - started
    assert times.own_thread["dream"] >= 0.02
    assert times.own_thread["flow"] >= 0.04
    assert sum(times.own_thread.values()) <= elapsed
    assert not times.other_threads


def test_other_threads_are_counted_apart_and_waiting_for_them_is_a_stage() -> None:
    times = StageTimes()

    def read() -> Iterator[int]:
        with times.stage("read"):
            time.sleep(0.02)
        yield 1

    assert list(prefetch(read(), times=times)) == [1]
    assert set(times.own_thread) == {WAITING_STAGE}
    assert set(times.other_threads) == {"read"}


def test_two_stage_times_do_not_disturb_each_other() -> None:
    outer, inner = StageTimes(), StageTimes()
    with outer.stage("dream"), inner.stage("dream"):
        time.sleep(0.02)
    assert outer.own_thread["dream"] >= inner.own_thread["dream"] >= 0.02


def test_ignored_stage_times_stay_empty() -> None:
    with IGNORED_STAGE_TIMES.stage("dream"):
        pass
    assert not IGNORED_STAGE_TIMES.own_thread
