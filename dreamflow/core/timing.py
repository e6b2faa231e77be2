"""How long each stage of a render takes, per thread."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager

WAITING_STAGE = "waiting"
"""Name of the stage in which a thread waits for another thread or process."""


class StageTimes:
    """Seconds spent in named stages, counted apart for the creating thread and for all others.

    Time in a nested stage counts for the inner stage only, so the stages of a thread add up to the
    time it was measured for.

    Attributes:
        own_thread: Seconds by stage name, of the thread that created the object.
        other_threads: Seconds by stage name, summed over all other threads.
    """

    def __init__(self) -> None:
        self.own_thread: dict[str, float] = defaultdict(float)
        self.other_threads: dict[str, float] = defaultdict(float)
        self._owner = threading.get_ident()
        self._lock = threading.Lock()
        self._nested = threading.local()

    @contextmanager
    def stage(self, name: str) -> Generator[None, None, None]:
        """Count the duration of a `with` block for a stage, less that of the stages within it."""
        nested_s: list[float] = self._nested.__dict__.setdefault("seconds", [])
        nested_s.append(0.0)
        started = time.perf_counter()
        try:
            yield
        finally:
            elapsed = time.perf_counter() - started
            inner = nested_s.pop()
            if nested_s:
                nested_s[-1] += elapsed
            self.add_seconds(name, elapsed - inner)

    def add_seconds(self, name: str, seconds: float) -> None:
        """Add to a stage of the calling thread."""
        is_owner = threading.get_ident() == self._owner
        with self._lock:
            (self.own_thread if is_owner else self.other_threads)[name] += seconds


class IgnoredStageTimes(StageTimes):
    """Stage times that nobody reads: counts nothing."""

    @contextmanager
    def stage(self, name: str) -> Generator[None, None, None]:
        """Run a `with` block."""
        yield


IGNORED_STAGE_TIMES = IgnoredStageTimes()
"""The default wherever stage times can be passed."""
