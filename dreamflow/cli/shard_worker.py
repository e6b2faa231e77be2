"""A process that renders shards of a job: on a farm, or started by the process that joins them."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path

from dreamflow.cli.output.terminal import print_note
from dreamflow.cli.progress.bars import progress_bar
from dreamflow.core.errors import SettingsError
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.text.wording import format_count

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
    mixed: bool,
    until_closed: bool,
) -> str:
    """Render shards with a progress bar, and return a line that sums it up.

    Args:
        shards: Which; see `parse_shards`, or `all`.
        job: The job's folder.
        machine: Where to compute.
        progress_kind: How progress is shown.
        mixed: Whether frames may differ from those of the job's other workers.
        until_closed: Whether to stop when the standard input is closed, by who started this.
    """
    if until_closed:
        threading.Thread(target=_stop_when_closed, daemon=True).start()
    # These load PyTorch, which takes seconds.
    from dreamflow.jobs.controls import RenderControls
    from dreamflow.jobs.shards.worker import open_sharded_job, open_worker

    plan = open_sharded_job(job).plan
    count = len(plan.shards)
    numbers = list(range(count)) if shards == ALL_SHARDS else parse_shards(shards, count)
    controls = RenderControls(notify=print_note)
    dreamed = 0
    total = sum(plan.shards[number].frames for number in numbers)
    with (
        open_worker(job, machine, controls, mixed) as worker,
        progress_bar(f"shards of {job.name}", total, kind=progress_kind) as progress,
    ):
        if shards == ALL_SHARDS:
            for _ in worker.render_all(controls):
                dreamed += 1
                progress(dreamed, None)
        else:
            for number in numbers:
                for _ in worker.render(number, controls):
                    dreamed += 1
                    progress(dreamed, None)
    which = "all shards" if shards == ALL_SHARDS else f"shard {shards}"
    return f"{job}: {which} of {count} done, {format_count(dreamed, 'frame')} dreamed now"


def _stop_when_closed() -> None:
    """Stop as by Ctrl-C when nobody holds the other end of the standard input any more."""
    with contextlib.suppress(OSError, ValueError):
        while os.read(sys.stdin.fileno(), 4096):
            pass
    signal.raise_signal(signal.SIGINT)
