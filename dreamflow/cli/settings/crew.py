"""Who renders: the worker processes that `--workers` and `--device` ask for, and their machines."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dreamflow.core.errors import SettingsError, named
from dreamflow.core.machine.options import MachineOptions
from dreamflow.jobs.shards.options import ShardOptions

WORKER_BYTES = 700 * 10**6
"""Memory that a worker takes besides what a pass may: PyTorch, the network, frames, its encoder."""


@dataclass(frozen=True)
class Crew:
    """Who renders.

    Attributes:
        machine: Where this process computes, and what each worker has.
        devices: The device of each worker.
        is_farm: Whether no worker is started, and the shards are only found.
        is_cluster: Whether the machines of a cluster render, by one process that gives them work.
    """

    machine: MachineOptions
    devices: tuple[str, ...]
    is_farm: bool = False
    is_cluster: bool = False

    @property
    def is_alone(self) -> bool:
        """Whether this process renders by itself."""
        return len(self.devices) == 1 and not self.is_farm and not self.is_cluster


def plan_crew(workers: ShardOptions, machine: MachineOptions) -> Crew:
    """Return who renders, and with which share of the machine.

    Threads and memory that are not given are divided among the workers. It loads PyTorch where
    there are several.

    Raises:
        SettingsError: There are fewer workers than devices, or several without shards.
    """
    devices = tuple(name.strip() for name in machine.device.split(",") if name.strip())
    if not devices:
        raise SettingsError(
            f"{named('device')} is empty: leave it out, or name a device",
            setting="device",
            value=machine.device,
        )
    if workers.cluster is not None:
        return plan_cluster_crew(workers, machine, devices[0])
    if workers.workers == "0":
        return Crew(replace(machine, device=devices[0]), devices, is_farm=True)
    count = len(devices)
    if workers.workers == "auto":
        count = choose_worker_count(devices, machine)
    elif workers.workers is not None:
        count = int(workers.workers)
    if count < len(devices):
        raise SettingsError(
            f"{named('workers')} {count} is fewer than the {len(devices)} of {named('device')} "
            f"{machine.device}",
            setting="workers",
            value=workers.workers,
            allowed=f"{len(devices)} or more",
        )
    if count > 1:
        check_shards_wanted(workers, f"{named('workers')} {count}")
        devices = name_gpus(devices)
    places = tuple(devices[number % len(devices)] for number in range(count))
    return Crew(divide_machine(replace(machine, device=places[0]), places), places)


def name_gpus(devices: tuple[str, ...]) -> tuple[str, ...]:
    """Return all GPUs of this machine by their numbers, where the devices are just any GPU."""
    from dreamflow.core.machine.device import choose_device

    first, *others = devices
    if others or ":" in first or choose_device(first).type != "cuda":
        return devices
    import torch

    return tuple(f"cuda:{number}" for number in range(torch.cuda.device_count()))


def plan_cluster_crew(workers: ShardOptions, machine: MachineOptions, device: str) -> Crew:
    """Return who renders on a cluster: each worker has one GPU, or one thread unless told more.

    Raises:
        SettingsError: No workers or no shards are asked for.
    """
    if workers.workers == "0":
        raise SettingsError(
            f"{named('workers')} 0 leaves the shards to a farm: leave out {named('cluster')}",
            setting="workers",
            value="0",
        )
    check_shards_wanted(workers, named("cluster"))
    from dreamflow.core.machine.device import choose_device

    machine = replace(machine, device=device, threads=machine.threads or 1)
    on_cpu = choose_device(device).type == "cpu"
    neighbours = max(1, count_cores() // machine.threads) if on_cpu else 1
    return Crew(divide_machine(machine, [device] * neighbours), (device,), is_cluster=True)


def check_shards_wanted(workers: ShardOptions, who: str) -> None:
    """Raise SettingsError where there are to be no shards, and who renders needs some."""
    if workers.shards == "none":
        raise SettingsError(
            f"{who} needs shards: leave out {named('shards')} none",
            setting="shards",
            value="none",
            allowed="auto, shots, spans",
        )


def divide_machine(machine: MachineOptions, devices: Sequence[str]) -> MachineOptions:
    """Return the share of a machine that each of several workers has."""
    if len(devices) == 1:
        return machine
    from dreamflow.core.machine.device import choose_device
    from dreamflow.core.machine.memory import MB, default_memory_limit

    on_one_device = max(devices.count(device) for device in devices)
    limit = default_memory_limit(choose_device(devices[0]))
    return replace(
        machine,
        threads=machine.threads or max(1, count_cores() // len(devices)),
        memory=machine.memory or max(1, limit // on_one_device // MB),
    )


def choose_worker_count(devices: Sequence[str], machine: MachineOptions) -> int:
    """Return how many workers suit a machine: one for each GPU, or what is fastest on its cores.

    On a CPU it is measured whether several workers with a thread each do more than one with all, as
    far as the memory suffices; unless it is told how many threads each has.
    """
    from dreamflow.core.machine.device import choose_device
    from dreamflow.core.machine.memory import default_memory_limit, total_memory

    device = choose_device(devices[0])
    if device.type != "cpu":
        import torch

        named_all = len(devices) > 1 or ":" in devices[0]
        count = torch.cuda.device_count() if device.type == "cuda" else 1
        return len(devices) if named_all else count
    by_memory = int((total_memory() - default_memory_limit(device)) // WORKER_BYTES)
    most = max(len(devices), 1, min(count_cores() // (machine.threads or 1), by_memory))
    if machine.threads:
        return most
    from dreamflow.core.machine.threads import find_fastest_worker_count

    return max(len(devices), find_fastest_worker_count(most))


def count_cores() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
