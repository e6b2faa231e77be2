"""Which worker processes render, and where: what `--workers`, `--shards` and `--device` ask for."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dreamflow.cli.settings.crew import Crew, plan_crew
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
