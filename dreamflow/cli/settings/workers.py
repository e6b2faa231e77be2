"""Which worker processes render, and where: what `--workers`, `--shards` and `--device` ask for."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dreamflow.core.errors import DependencyError, SettingsError, named
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.options.declaration import flag_of
from dreamflow.core.text.wording import format_count
from dreamflow.jobs.shards.options import LOCAL_CLUSTER, MAX_WORKERS, ShardOptions

if TYPE_CHECKING:
    from dreamflow.jobs.shards.pool import WorkerCommand
    from dreamflow.jobs.shards.sharded import Sharding
    from dreamflow.reports.guide.workers import LayerWorkers

SETTINGS_OF_SHARDS = ("shards", "span", "cluster", "mixed")
"""Settings of workers that concern shards, and so only what is rendered frame after frame."""
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


def plan_workers(
    workers: ShardOptions, machine: MachineOptions, out: Path, fresh: bool, openjd: Path | None
) -> tuple[Crew, Sharding | None]:
    """Return who renders a job, and how it is cut for them; None leaves it in one piece.

    Args:
        workers: How the render is to be spread.
        machine: Where to compute; a begun job goes on with its own options.
        out: The output.
        fresh: Whether a begun job is started over.
        openjd: Folder of a job bundle, whose shards a farm renders; None for none.

    Raises:
        DependencyError: Ray is asked for, and not there.
        SettingsError: The settings contradict each other, or the begun job.
    """
    from dreamflow.jobs.resume.begun_job import restore_machine_options

    if workers.cluster is not None:
        check_cluster(workers.cluster)
    if openjd is not None:
        workers = replace(workers, workers="0")
    crew = plan_crew(workers, machine if fresh else restore_machine_options(out, machine))
    return crew, make_sharding(workers, crew, out, fresh)


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


@contextmanager
def open_layer_workers(crew: Crew, network: str) -> Generator[LayerWorkers | None]:
    """Yield the processes that dream layers; None where this process dreams by itself.

    Raises:
        SettingsError: There are to be no workers.
    """
    if crew.is_farm:
        raise SettingsError(
            f"{named('workers')} 0 finds the shards of a film, and this is none: give 1 or more",
            setting="workers",
            value="0",
            allowed=f"1 to {MAX_WORKERS}, or auto",
        )
    if crew.is_alone:
        yield None
        return
    from dreamflow.reports.guide.workers import LayerWorkers

    machines = [replace(crew.machine, device=device) for device in crew.devices]
    with LayerWorkers(network, machines) as workers:
        yield workers


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


def make_sharding(workers: ShardOptions, crew: Crew, out: Path, fresh: bool) -> Sharding | None:
    """Return how a render is spread over workers; None where it is rendered in one go.

    Where nothing is asked for, a render that is resumed goes on as it was begun.
    """
    from dreamflow.jobs.shards.plan import read_plan
    from dreamflow.jobs.shards.sharded import Sharding
    from dreamflow.jobs.storage.folder import job_folder_path

    kind, span_s = workers.shards, workers.span
    if kind == "auto":
        plan = None if fresh else read_plan(job_folder_path(out))
        kind = plan.kind if plan else ("none" if crew.is_alone else "shots")
        span_s = plan.span_s or span_s if plan else span_s
    if kind == "none":
        return None
    commands = [] if crew.is_alone or crew.is_farm else list(map(make_command, crew.devices))
    if crew.is_cluster:
        commands = [make_cluster_command(workers)]
    return Sharding(kind, span_s, commands, crew.machine.weights, crew.is_cluster)


def make_command(device: str) -> WorkerCommand:
    """Return what starts a worker process on a device."""
    return make_worker_command("--device", device)


def make_cluster_command(workers: ShardOptions) -> WorkerCommand:
    """Return what starts the process that has shards rendered on a cluster."""
    words = ["--cluster", workers.cluster or "", *(["--mixed"] if workers.mixed else [])]
    if workers.workers not in (None, "auto"):
        words += ["--workers", str(workers.workers)]
    return make_worker_command(*words)


def make_worker_command(*options: str) -> WorkerCommand:
    """Return what starts a process that renders shards, or has them rendered."""

    def command(job: Path, shards: str) -> list[str]:
        words = ["jobs", "shard", shards, str(job), *options, "--until-closed"]
        return [sys.executable, "-m", "dreamflow", *words, "--progress", "none"]

    return command


def check_cluster(address: str) -> None:
    """Check that a cluster answers, before hours go into a film; Ray is asked in another process.

    Raises:
        DependencyError: Ray is not installed.
        SettingsError: No cluster answers there.
    """
    if importlib.util.find_spec("ray") is None:
        raise DependencyError(
            f"{named('cluster')} needs Ray, which is not installed: "
            "`pip install 'dreamflow[cluster]'`",
            setting="cluster",
        )
    if address == LOCAL_CLUSTER:
        return
    words = [sys.executable, "-m", "dreamflow", "cluster", "status", address, "--brief"]
    asked = subprocess.run(words, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if asked.returncode:
        lines = asked.stderr.strip().splitlines() or ["it has ended without a word"]
        raise SettingsError(lines[-1].removeprefix("error: "), setting="cluster", value=address)


def describe_farm_work(folder: Path, machine: MachineOptions, bundle: Path | None = None) -> str:
    """Return in words what the workers of a farm have to do for a job; writes its job bundle.

    Args:
        folder: The job's folder.
        machine: The machine's options that the job was begun with.
        bundle: The folder of the bundle; None for none.
    """
    from dreamflow.jobs.shards.openjd import write_bundle
    from dreamflow.jobs.shards.worker import open_sharded_job

    job = open_sharded_job(folder)
    count = len(job.plan.shards)
    shards = format_count(count, "shard")
    if bundle is not None:
        write_bundle(bundle, job, option_words(machine))
        return f"{bundle}: {shards} for a farm, or here with `openjd run {bundle}/template.json`"
    return (
        f"{folder}: {shards}; render each with `dreamflow jobs shard N {folder}`, N from 1 to "
        f"{count}, then `dreamflow jobs join {folder}`"
    )


def option_words(options: MachineOptions | ShardOptions) -> list[str]:
    """Return the words of a command line that ask for some settings, but for their defaults."""
    default, words = type(options)(), list[str]()
    for setting in fields(options):
        value = getattr(options, setting.name)
        if value != getattr(default, setting.name):
            words += [flag_of(setting.name), *([] if value is True else [str(value)])]
    return words
