"""The number of threads is the fastest one, measured."""

from __future__ import annotations

import pytest
import torch

from dreamflow.core.machine.threads import (
    candidate_thread_counts,
    default_thread_count,
    find_fastest_thread_count,
    time_convolutions,
)


@pytest.mark.parametrize(
    "times, best",
    [
        ({1: 1.0, 2: 0.55, 4: 0.3}, 4),
        ({1: 1.0, 2: 4.7, 4: 9.0}, 1),
        ({1: 1.0, 2: 0.6, 4: 0.59}, 2),
        ({1: 1.0, 2: 1.1, 4: 0.5}, 4),
        ({8: 1.0}, 8),
    ],
)
def test_the_fastest_is_taken_and_fewer_where_more_gain_little(
    times: dict[int, float], best: int
) -> None:
    assert find_fastest_thread_count(list(times), times.__getitem__) == best


def test_candidates_are_powers_of_two_and_all() -> None:
    assert candidate_thread_counts(1) == [1]
    assert candidate_thread_counts(2) == [1, 2]
    assert candidate_thread_counts(6) == [1, 2, 4, 6]
    assert candidate_thread_counts(8) == [1, 2, 4, 8]


def test_a_trial_takes_time_and_sets_the_threads() -> None:
    before = default_thread_count()
    try:
        assert time_convolutions(1) > 0
        assert torch.get_num_threads() == 1
        assert find_fastest_thread_count() in candidate_thread_counts(before)
    finally:
        torch.set_num_threads(before)
