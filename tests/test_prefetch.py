"""Items made ahead come in order, raise in their place, and leave no thread behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

import pytest
from conftest import PATIENCE_S
from hypothesis import given
from hypothesis import strategies as st

from dreamflow.core.prefetch import prefetch


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        thread.join(PATIENCE_S)
        assert not thread.is_alive(), thread


@given(st.lists(st.integers()), st.integers(1, 5))
def test_the_same_items_come_in_the_same_order(items: list[int], depth: int) -> None:
    assert list(prefetch(iter(items), depth)) == items


def test_no_more_items_are_made_than_the_depth_and_none_before_they_are_asked_for() -> None:
    made: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    source = prefetch(numbers(), 3)
    assert not made
    taken = [next(source) for _ in range(5)]
    source.close()
    assert taken == [0, 1, 2, 3, 4]
    assert 5 <= len(made) <= 5 + 3


def test_the_next_item_is_made_while_the_one_before_is_used() -> None:
    made = threading.Event()

    def two() -> Iterator[int]:
        yield 1
        made.set()
        yield 2

    source = prefetch(two(), 1)
    assert next(source) == 1
    assert made.wait(PATIENCE_S), "nobody has asked for it yet"
    assert list(source) == [2]


class TroubleError(RuntimeError):
    """What goes wrong in the thread."""


def fail_after_two() -> Iterator[int]:
    yield from (1, 2)
    raise TroubleError("here")


def test_an_error_comes_in_its_place_with_its_class_and_origin() -> None:
    taken: list[int] = []
    with pytest.raises(TroubleError, match="here") as raised:
        taken.extend(prefetch(fail_after_two()))
    assert taken == [1, 2]
    assert raised.traceback[-1].name == "fail_after_two"


def test_the_source_is_closed_when_the_consumer_stops() -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            yield from iter(int, 1)
        finally:
            closed.set()

    for number, _ in enumerate(prefetch(endless())):
        if number == 4:
            break
    assert closed.wait(PATIENCE_S)


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_waits_for_the_item_that_is_being_made_and_no_other() -> None:
    begun: list[int] = []
    is_interrupted = threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        is_interrupted.set()
        raise KeyboardInterrupt

    def interrupted_at_the_second() -> Iterator[int]:
        for number in range(100):
            begun.append(number)
            if number == 1:
                time.sleep(0.2)  # until the consumer waits for it
                os.kill(os.getpid(), signal.SIGINT)
                assert is_interrupted.wait(PATIENCE_S)
                time.sleep(0.3)  # until the consumer, which is on its way, has stopped
            yield number

    usual = signal.signal(signal.SIGINT, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            list(prefetch(interrupted_at_the_second(), 1))
    finally:
        signal.signal(signal.SIGINT, usual)
    assert begun == [0, 1]
