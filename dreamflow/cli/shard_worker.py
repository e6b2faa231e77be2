"""A process that renders shards of a job: on a farm, or started by the process that joins them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from dreamflow.cli.output.terminal import print_note, word_flags
from dreamflow.cli.progress.bars import progress_bar
from dreamflow.core.errors import SettingsError
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.text.wording import format_count
from dreamflow.jobs.shards.options import ShardOptions

if TYPE_CHECKING:
    from dreamflow.core.callbacks import DoneCallback
    from dreamflow.jobs.shards.shard import ShardedJob

ALL_SHARDS = "all"
SHARDS_SYNTAX = "numbers from 1 such as 3, 1-4 or 2,5, or all"


def parse_shards(text: str, count: int) -> list[int]:
    """Return the shards, numbered from 0 and each once, that a text such as `1-4,7` names.

    Args:
        text: Numbers from 1, and runs of them.
        count: How many shards there are.

    Raises:
        SettingsError: It is no such text, or there is no such shard.
    """
    numbers: set[int] = set()
    for part in text.split(","):
        first, dash, last = (word.strip() for word in part.partition("-"))
        last = last if dash else first
        if not (first.isdecimal() and last.isdecimal()) or int(first) > int(last):
            raise SettingsError(
                f"shards {text!r}: give {SHARDS_SYNTAX}", value=text, allowed=SHARDS_SYNTAX
            )
        if int(first) < 1 or int(last) > count:
            raise SettingsError(
                f"shards {text}: the job has {format_count(count, 'shard')}, counted from 1",
                value=text,
                allowed=f"1 to {count}",
            )
        numbers |= set(range(int(first) - 1, int(last)))
    return sorted(numbers)


def render_shards(
    shards: str,
    job: Path,
    machine: MachineOptions,
    progress_kind: str,
    workers: ShardOptions,
    until_closed: bool,
) -> str:
    """Render shards with a progress bar, and return a line that sums it up.

    Args:
        shards: Which; see `parse_shards`, or `all`.
        job: The job's folder.
        machine: Where to compute.
        progress_kind: How progress is shown.
        workers: The cluster, if there is one, and whether frames may differ from those of the job's
            other workers.
        until_closed: Whether to stop when the standard input is closed, by who started this.
    """
    if until_closed:
        threading.Thread(target=_stop_when_closed, daemon=True).start()
    # These load PyTorch, which takes seconds.
    from dreamflow.jobs.shards.join import DoneFrames
    from dreamflow.jobs.shards.worker import open_sharded_job

    opened = open_sharded_job(job)
    count, is_all = len(opened.plan.shards), shards == ALL_SHARDS
    numbers = DoneFrames(opened).unfinished if is_all else parse_shards(shards, count)
    total = sum(opened.plan.shards[number].frames for number in numbers)
    which = "all shards" if is_all else f"shard {shards}"
    with progress_bar(f"shards of {job.name}", total, kind=progress_kind) as progress:
        if workers.cluster is not None:
            _render_on_cluster(opened, numbers, machine, workers, lambda n: progress(n, None))
            return f"{job}: {which} of {count} done"
        dreamed = 0
        # Who closes the standard input has started this process, on the same machine.
        frames = _render_here(shards, numbers, job, machine, workers.mixed, until_closed)
        for dreamed, _ in enumerate(frames, start=1):
            progress(dreamed, None)
    return f"{job}: {which} of {count} done, {format_count(dreamed, 'frame')} dreamed now"


def _render_here(
    shards: str,
    numbers: list[int],
    job: Path,
    machine: MachineOptions,
    mixed: bool,
    is_same_machine: bool,
) -> Generator[None]:
    """Render shards in this process, and yield after each frame."""
    from dreamflow.jobs.controls import RenderControls
    from dreamflow.jobs.shards.worker import open_worker

    controls = RenderControls(notify=print_note)
    with open_worker(job, machine, controls, mixed, is_same_machine=is_same_machine) as worker:
        if shards == ALL_SHARDS:
            for _ in worker.render_all(controls):
                yield
            return
        for number in numbers:
            for _ in worker.render(number, controls):
                yield


def _render_on_cluster(
    job: ShardedJob,
    numbers: list[int],
    machine: MachineOptions,
    workers: ShardOptions,
    progress: DoneCallback,
) -> None:
    """Have shards rendered by the machines of a cluster."""
    from dreamflow.cluster.render import ClusterOrder, ClusterRender, run_until_interrupted
    from dreamflow.cluster.session import connect

    assert workers.cluster is not None
    most = None if workers.workers in (None, "auto") else int(workers.workers)
    order = ClusterOrder(job, numbers, machine, most, workers.mixed)
    with connect(workers.cluster) as session:
        render = ClusterRender(order, session, lambda line: print_note(word_flags(line)), progress)
        asyncio.run(run_until_interrupted(render))


def _stop_when_closed() -> None:
    """Stop as by Ctrl-C when nobody holds the other end of the standard input any more."""
    with contextlib.suppress(OSError, ValueError):
        while os.read(sys.stdin.fileno(), 4096):
            pass
    signal.raise_signal(signal.SIGINT)
