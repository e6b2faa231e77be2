"""Measurement of the number of CPU threads that is fastest on this machine at the moment.

Threads wait for each other at every layer. With one of two cores busy with other work, two threads
took ten times as long as one; on a quiet machine they take about half.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import torch
import torch.nn.functional as F

TIMING_ROUNDS = 7
"""Rounds in which every number of threads is timed once; the first one warms up."""
PASSES_PER_ROUND = 2
"""Passes that are timed together, enough that a delayed thread shows."""
MORE_THREADS_MAX_TIME_RATIO = 0.8
"""More threads are used only if they take less than this share of the time of fewer."""


@lru_cache(maxsize=1)
def default_thread_count() -> int:
    """Return the number of threads that PyTorch uses by default."""
    return torch.get_num_threads()


def candidate_thread_counts(max_threads: int) -> list[int]:
    """Return the numbers of threads to try: powers of two below the maximum, and the maximum."""
    powers = {2**power for power in range(max_threads.bit_length())}
    return sorted({count for count in powers if count < max_threads} | {max_threads})


def time_convolutions(threads: int) -> float:
    """Return the seconds that a few convolutions, forward and backward, take with some threads.

    PyTorch uses that number of threads afterwards.
    """
    torch.set_num_threads(threads)
    started = time.perf_counter()
    _convolve()
    return time.perf_counter() - started


def time_side_by_side(workers: int) -> float:
    """Return the seconds that the same takes when several do it at once, with one thread each.

    PyTorch uses one thread afterwards.
    """
    torch.set_num_threads(1)
    with ThreadPoolExecutor(workers) as pool:
        started = time.perf_counter()
        # PyTorch lets go of Python's lock while it computes.
        for done in [pool.submit(_convolve) for _ in range(workers)]:
            done.result()
        return time.perf_counter() - started


def _convolve() -> None:
    x = torch.ones(1, 48, 48, 48).contiguous(memory_format=torch.channels_last).requires_grad_(True)
    weight = torch.full((48, 48, 3, 3), 1e-3).contiguous(memory_format=torch.channels_last)
    for _ in range(PASSES_PER_ROUND):
        y = F.conv2d(F.conv2d(x, weight, padding=1).relu(), weight, padding=1)
        torch.autograd.grad(y.sum(), x)


def find_fastest_thread_count(
    thread_counts: Sequence[int] | None = None, measure: Callable[[int], float] = time_convolutions
) -> int:
    """Return the number of threads that is fastest at the moment.

    Fewer threads are preferred where more gain little. It takes about a fifth of a second, and
    leaves PyTorch with the last number tried.

    Args:
        thread_counts: The numbers to try, rising; None for `candidate_thread_counts`.
        measure: Returns the seconds that some work takes with a number of threads.
    """
    if thread_counts is None:
        thread_counts = candidate_thread_counts(default_thread_count())
    return _find_fastest(thread_counts, measure)


def find_fastest_worker_count(
    max_workers: int,
    measure_alone: Callable[[int], float] = time_convolutions,
    measure_together: Callable[[int], float] = time_side_by_side,
) -> int:
    """Return how many processes with one thread each do most at the moment; 1 for one with all.

    It takes about half a second. PyTorch has one thread afterwards.

    Args:
        max_workers: How many there may be.
        measure_alone: Returns the seconds that some work takes with a number of threads.
        measure_together: Returns the seconds in which several, with one thread each, have each done
            the same.
    """
    threads = find_fastest_thread_count(measure=measure_alone)

    def measure(workers: int) -> float:
        return measure_alone(threads) if workers == 1 else measure_together(workers) / workers

    best = _find_fastest(candidate_thread_counts(max_workers), measure)
    torch.set_num_threads(1)
    return best


def _find_fastest(counts: Sequence[int], measure: Callable[[int], float]) -> int:
    """Return the number that takes the least time, fewer where more gain little.

    Args:
        counts: The numbers to try, rising.
        measure: Returns the seconds that some work takes with a number.
    """
    if len(counts) == 1:
        return counts[0]
    round_s: dict[int, list[float]] = {count: [] for count in counts}
    for _ in range(TIMING_ROUNDS):
        for count in counts:
            round_s[count].append(measure(count))
    # The sum, not the minimum or median: on a busy machine every third pass or so is delayed a
    # hundredfold.
    total_s = {count: sum(times[1:]) for count, times in round_s.items()}
    best = counts[0]
    for count in counts[1:]:
        if total_s[count] < MORE_THREADS_MAX_TIME_RATIO * total_s[best]:
            best = count
    return best
