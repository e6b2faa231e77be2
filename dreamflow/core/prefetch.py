"""Items of an iterable made ahead of their use, in a thread of their own."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from dreamflow.core.timing import IGNORED_STAGE_TIMES, WAITING_STAGE, StageTimes

ItemT = TypeVar("ItemT")
PREFETCH_FRAMES = 3
"""Default number of items made ahead. Three frames of 3840x2160 RGB take 75 MB."""


def prefetch(
    items: Iterable[ItemT],
    depth: int = PREFETCH_FRAMES,
    times: StageTimes = IGNORED_STAGE_TIMES,
) -> Generator[ItemT, None, None]:
    """Yield the items of an iterable while a thread makes the next ones.

    An exception raised by an item is raised in its place. The thread only ever works on an item
    that was asked for, so a consumer that stops early waits for at most one.

    Args:
        items: Iterated in the thread. A generator is closed when the consumer stops.
        depth: Largest number of items that are made ahead, at least 1.
        times: Counts the consumer's waiting for an item as `WAITING_STAGE`.
    """
    source, end = iter(items), object()
    pool = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
    pending: deque[Future[Any]] = deque()
    try:
        pending.extend(pool.submit(next, source, end) for _ in range(depth))
        while True:
            with times.stage(WAITING_STAGE):
                item: Any = pending.popleft().result()
            if item is end:
                return
            pending.append(pool.submit(next, source, end))
            yield item
    finally:
        pool.shutdown(cancel_futures=True)
        if isinstance(source, Generator):
            source.close()
