"""The machine: threads are chosen by measuring, and options are applied."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from dreamflow.core.errors import SettingsError
from dreamflow.core.logs import show_logs
from dreamflow.core.machine.machine import Machine
from dreamflow.core.machine.memory import MB, default_memory_limit
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.machine.threads import (
    candidate_thread_counts,
    default_thread_count,
    find_fastest_thread_count,
    find_fastest_worker_count,
    time_convolutions,
)


@pytest.fixture
def same_threads() -> Iterator[int]:
    before = torch.get_num_threads()
    yield before
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("times", "best"),
    [
        ({1: 1.0, 2: 0.55, 4: 0.3}, 4),
        ({1: 1.0, 2: 4.7, 4: 9.0}, 1),
        ({1: 1.0, 2: 0.6, 4: 0.59}, 2),
        ({1: 1.0, 2: 1.1, 4: 0.5}, 4),
        ({8: 1.0}, 8),
    ],
)
def test_the_fastest_thread_count_is_found_and_fewer_are_preferred(
    times: dict[int, float], best: int
) -> None:
    assert find_fastest_thread_count(list(times), times.__getitem__) == best


@pytest.mark.parametrize(
    ("together", "best"),
    [
        ({2: 1.1, 4: 1.3}, 4),
        ({2: 2.2, 4: 9.0}, 1),
        ({2: 1.0, 4: 1.9}, 2),
    ],
)
def test_workers_are_as_many_as_do_most_and_no_more(
    same_threads: int, together: dict[int, float], best: int
) -> None:
    assert find_fastest_worker_count(4, lambda threads: 1.0, together.__getitem__) == best
    assert find_fastest_worker_count(1, lambda threads: 1.0, together.__getitem__) == 1


def test_workers_are_measured(same_threads: int) -> None:
    assert find_fastest_worker_count(2) in (1, 2)
    assert torch.get_num_threads() == 1


def test_candidate_thread_counts_are_powers_of_two_and_the_maximum() -> None:
    assert candidate_thread_counts(1) == [1]
    assert candidate_thread_counts(2) == [1, 2]
    assert candidate_thread_counts(6) == [1, 2, 4, 6]
    assert candidate_thread_counts(8) == [1, 2, 4, 8]


def test_a_timing_sets_the_threads(same_threads: int) -> None:
    assert time_convolutions(1) > 0
    assert torch.get_num_threads() == 1
    assert find_fastest_thread_count() in candidate_thread_counts(default_thread_count())


def test_a_machine_is_set_up_from_options(
    same_threads: int, capsys: pytest.CaptureFixture[str]
) -> None:
    options = MachineOptions(device="cpu", threads=1, memory=700, precision="float32")
    machine = Machine.from_options(options)
    assert machine == Machine(torch.device("cpu"), "float32", 1, 700 * MB)
    assert torch.get_num_threads() == 1
    assert capsys.readouterr().err == "", "logging is silent by default"


def test_a_default_machine_changes_nothing(same_threads: int) -> None:
    machine = Machine.default("cpu")
    assert machine.threads == same_threads
    assert machine.precision == "auto"
    assert machine.memory_limit == default_memory_limit(machine.device)


def test_a_memory_limit_stays_on_a_device_of_the_same_type() -> None:
    machine = Machine(torch.device("cpu"), "auto", 1, 5 * MB)
    assert machine.moved_to(torch.device("cpu"), "float32").memory_limit == 5 * MB
    meta = torch.device("meta")
    assert machine.moved_to(meta, "float32").memory_limit == default_memory_limit(meta)


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(SettingsError) as raised:
        Machine.default("gpu")
    assert (raised.value.setting, raised.value.value) == ("device", "gpu")


def test_logs_are_shown_on_request(
    same_threads: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import logging

    logger = logging.getLogger("dreamflow")
    monkeypatch.setattr(logger, "handlers", list(logger.handlers))
    monkeypatch.setattr(logger, "level", logger.level)
    show_logs()
    Machine.from_options(MachineOptions(device="cpu", threads=1, memory=700))
    assert "device cpu, 1 threads, 700 MB" in capsys.readouterr().err
    logger.setLevel(logging.NOTSET)
