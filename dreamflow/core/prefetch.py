"""Work that is done ahead, in a thread of its own, while what came of it before is used."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from dreamflow.core.timing import WAITING_STAGE, time_stage

ItemT = TypeVar("ItemT")
PREFETCH_FRAMES = 3
"""Frames that are made ready at most; 75 MB of a 4K film."""


def prefetch(items: Iterable[ItemT], depth: int = PREFETCH_FRAMES) -> Generator[ItemT, None, None]:
    """Yield the items of an iterable, of which up to `depth` are made in a thread beforehand.

    What making one raises is raised where that one would have come. The thread has no more to do
    than is asked for, so it is never left hanging: whoever breaks off waits for one item at most.
    """
    source, ended = iter(items), object()
    pool = ThreadPoolExecutor(1, thread_name_prefix="ahead")
    coming = deque(pool.submit(next, source, ended) for _ in range(depth))
    try:
        while True:
            with time_stage(WAITING_STAGE):
                item: Any = coming.popleft().result()
            if item is ended:
                return
            coming.append(pool.submit(next, source, ended))
            yield item
    finally:
        pool.shutdown(cancel_futures=True)
        if isinstance(source, Generator):
            source.close()
