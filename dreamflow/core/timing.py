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


# To be removed with the rewrite of pipelines/two_pass.py and temporal/flow/source.py, which do not
# take a StageTimes yet: until then every `with time_stage(name)` counts for those being recorded.
_recorded: list[StageTimes] = []


@contextmanager
def record_stage_times() -> Generator[StageTimes, None, None]:
    """Yield stage times that `time_stage` counts for while the block runs."""
    times = StageTimes()
    _recorded.append(times)
    try:
        yield times
    finally:
        _recorded.remove(times)


@contextmanager
def time_stage(name: str) -> Generator[None, None, None]:
    """Count the duration of a `with` block for the stage times being recorded."""
    with (_recorded[-1] if _recorded else IGNORED_STAGE_TIMES).stage(name):
        yield


class RecordedStageTimes(StageTimes):
    """Stands for the stage times being recorded, where a pipeline does not pass its own yet."""

    @contextmanager
    def stage(self, name: str) -> Generator[None, None, None]:
        """Count the duration of a `with` block for the stage times being recorded."""
        with time_stage(name):
            yield


RECORDED_STAGE_TIMES = RecordedStageTimes()
"""Default where pipelines/{clip,loop,video}.py pass no StageTimes; to be IGNORED_STAGE_TIMES."""
