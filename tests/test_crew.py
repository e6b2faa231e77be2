"""Who renders where: workers, their devices, threads and memory; with GPUs that are pretended."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from conftest import refused

from dreamflow.cli.settings.crew import plan_crew
from dreamflow.cli.settings.workers import make_sharding
from dreamflow.core.machine.options import MachineOptions
from dreamflow.jobs.shards.options import ShardOptions

GPU_BYTES = 80 * 10**9


@pytest.fixture
def four_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have this machine look as if it had four GPUs."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    memory = SimpleNamespace(total_memory=GPU_BYTES)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: memory)
    monkeypatch.setattr(torch, "zeros", lambda *size, device: None)


def devices_of(workers: str | None, device: str, out: Path) -> list[str]:
    """Return the device that each worker is started on."""
    options = ShardOptions(workers=workers)
    crew = plan_crew(options, MachineOptions(device=device))
    sharding = make_sharding(options, crew, out, fresh=False)
    assert sharding is not None
    lines: list[Sequence[str]] = [command(out, "all") for command in sharding.workers]
    return [line[line.index("--device") + 1] for line in lines]


@pytest.mark.parametrize(
    ("workers", "device", "expected"),
    [
        (None, "cuda:0,cuda:1", [0, 1]),
        ("auto", "cuda:0, cuda:3", [0, 3]),
        ("4", "cuda:2,cuda:1", [2, 1, 2, 1]),
        ("auto", "auto", [0, 1, 2, 3]),
        ("auto", "cuda", [0, 1, 2, 3]),
        ("2", "cuda", [0, 1]),
        ("6", "auto", [0, 1, 2, 3, 0, 1]),
        ("2", "cuda:1", [1, 1]),
    ],
)
@pytest.mark.usefixtures("four_gpus")
def test_workers_are_spread_over_the_gpus(
    tmp_path: Path, workers: str | None, device: str, expected: list[int]
) -> None:
    assert devices_of(workers, device, tmp_path / "d.mp4") == [f"cuda:{n}" for n in expected]


@pytest.mark.usefixtures("four_gpus")
def test_the_memory_of_a_gpu_is_divided_among_its_workers() -> None:
    alone, shared = (
        plan_crew(ShardOptions(workers=workers), MachineOptions(device="cuda:0,cuda:1"))
        for workers in ("2", "4")
    )
    assert alone.machine.device == "cuda:0"
    assert shared.machine.memory == pytest.approx(alone.machine.memory / 2, abs=1)


@pytest.mark.usefixtures("four_gpus")
def test_fewer_workers_than_devices_are_refused() -> None:
    with refused("workers"):
        plan_crew(ShardOptions(workers="1"), MachineOptions(device="cuda:0,cuda:1"))
    assert plan_crew(ShardOptions(workers="1"), MachineOptions(device="cuda")).is_alone


def test_threads_are_divided_unless_they_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamflow.cli.settings.crew.count_cores", lambda: 8)
    for given, expected in ((0, 4), (3, 3)):
        crew = plan_crew(ShardOptions(workers="2"), MachineOptions(device="cpu", threads=given))
        assert crew.devices == ("cpu", "cpu")
        assert crew.machine.threads == expected
