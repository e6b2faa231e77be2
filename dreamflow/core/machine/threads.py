"""How many threads are fastest on this machine, now.

Threads wait for each other at every layer. With one of two cores busy with something else, two
threads were seen to need ten times as long as one; on a quiet machine they need about half.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
import torch.nn.functional as F

TIMING_ROUNDS = 7
PASSES_PER_ROUND = 2
"""Passes of a round: enough of them that a thread that is held up shows."""
MORE_THREADS_MAX_TIME_RATIO = 0.8
"""More threads must take less than this of the time of fewer to be taken."""


@lru_cache(maxsize=1)
def default_thread_count() -> int:
    """Return how many threads PyTorch takes by itself."""
    return torch.get_num_threads()


def candidate_thread_counts(max_threads: int) -> list[int]:
    """Return the numbers of threads to try: 1, 2, 4 ... and `most`."""
    return sorted(
        {2**power for power in range(max_threads.bit_length()) if 2**power < max_threads}
        | {max_threads}
    )


def time_convolutions(threads: int) -> float:
    """Return the seconds that a few convolutions, forward and backward, take on some threads."""
    torch.set_num_threads(threads)
    x = torch.ones(1, 48, 48, 48).contiguous(memory_format=torch.channels_last).requires_grad_(True)
    weight = torch.full((48, 48, 3, 3), 1e-3).contiguous(memory_format=torch.channels_last)
    started = time.perf_counter()
    for _ in range(PASSES_PER_ROUND):
        y = F.conv2d(F.conv2d(x, weight, padding=1).relu(), weight, padding=1)
        torch.autograd.grad(y.sum(), x)
    return time.perf_counter() - started


def find_fastest_thread_count(
    thread_counts: Sequence[int] | None = None, measure: Callable[[int], float] = time_convolutions
) -> int:
    """Return the number of threads that is fastest now, after trying each a few times in turn.

    Fewer win where more gain little. Takes about a fifth of a second, and leaves PyTorch at the
    last number tried: set the one returned.
    """
    thread_counts = (
        candidate_thread_counts(default_thread_count()) if thread_counts is None else thread_counts
    )
    if len(thread_counts) == 1:
        return thread_counts[0]
    spent: dict[int, list[float]] = {threads: [] for threads in thread_counts}
    for _ in range(TIMING_ROUNDS):
        for threads in thread_counts:
            spent[threads].append(measure(threads))
    # The whole, not the best or the median: on a busy machine it is every third pass that is held
    # up for a hundredfold. The first round only warms up.
    whole = {threads: sum(times[1:]) for threads, times in spent.items()}
    best = thread_counts[0]
    for threads in thread_counts[1:]:
        if whole[threads] < MORE_THREADS_MAX_TIME_RATIO * whole[best]:
            best = threads
    return best
