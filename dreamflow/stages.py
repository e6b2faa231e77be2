"""Where the time of a render goes: each thread's, by what it is at. Kept only while it is asked."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

WAITING = "waiting"
"""For what another thread, or another process, has not finished."""

_lock = threading.Lock()
_ledgers: list[Ledger] = []
_own = threading.local()


class Ledger:
    """The seconds that each stage took. at_hand: in the thread that asks; behind: in all others.

    What is done within another stage counts for the inner one alone, so a thread's add up.
    """

    def __init__(self) -> None:
        self.at_hand: dict[str, float] = defaultdict(float)
        self.behind: dict[str, float] = defaultdict(float)
        self._thread = threading.get_ident()

    def note(self, name: str, seconds: float) -> None:
        """Add to a stage, of the thread that calls."""
        mine = threading.get_ident() == self._thread
        (self.at_hand if mine else self.behind)[name] += seconds


@contextmanager
def kept_ledger() -> Iterator[Ledger]:
    """Keep a ledger while the block runs."""
    ledger = Ledger()
    with _lock:
        _ledgers.append(ledger)
    try:
        yield ledger
    finally:
        with _lock:
            _ledgers.remove(ledger)


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Count the block's time for a stage, wherever a ledger is kept."""
    if not _ledgers:
        yield
        return
    within: list[float] = _own.__dict__.setdefault("within", [])
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
            for ledger in _ledgers:
                ledger.note(name, spent - inner)
