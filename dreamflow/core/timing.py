"""Where the time of a render goes: each thread's, by what it is at. Kept only while it is asked."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

WAITING_STAGE = "waiting"
"""For what another thread, or another process, has not finished."""

_lock = threading.Lock()
_active_stage_times: list[StageTimes] = []
_thread_local = threading.local()


class StageTimes:
    """The seconds that each stage took. at_hand: in the thread that asks; behind: in all others.

    What is done within another stage counts for the inner one alone, so a thread's add up.
    """

    def __init__(self) -> None:
        self.own_thread: dict[str, float] = defaultdict(float)
        self.other_threads: dict[str, float] = defaultdict(float)
        self._thread = threading.get_ident()

    def add_seconds(self, name: str, seconds: float) -> None:
        """Add to a stage, of the thread that calls."""
        mine = threading.get_ident() == self._thread
        (self.own_thread if mine else self.other_threads)[name] += seconds


@contextmanager
def record_stage_times() -> Iterator[StageTimes]:
    """Keep a ledger while the block runs."""
    ledger = StageTimes()
    with _lock:
        _active_stage_times.append(ledger)
    try:
        yield ledger
    finally:
        with _lock:
            _active_stage_times.remove(ledger)


@contextmanager
def time_stage(name: str) -> Iterator[None]:
    """Count the block's time for a stage, wherever a ledger is kept."""
    if not _active_stage_times:
        yield
        return
    within: list[float] = _thread_local.__dict__.setdefault("within", [])
    within.append(0.0)
    started = time.perf_counter()
    try:
        yield
    finally:
        spent = time.perf_counter() - started
        inner = within.pop()
        if within:
            within[-1] += spent
        with _lock:
            for ledger in _active_stage_times:
                ledger.add_seconds(name, spent - inner)
