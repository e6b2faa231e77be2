"""Worker processes on this machine: each renders the shards that no other one has.

There is no queue: a shard's folder is locked by who renders it, and the system frees the lock when
that process ends, however it comes. What each has done is seen in the shards' folders.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from dreamflow.core.callbacks import MessageCallback
from dreamflow.core.errors import OutputError
from dreamflow.core.files.regular_file import read_file_bytes
from dreamflow.jobs.shards.join import DoneFrames
from dreamflow.jobs.shards.shard import ShardedJob, is_shard_done, is_shard_locked
from dreamflow.jobs.storage.folder import SHARDS_FOLDER
from dreamflow.media.files.atomic_file import make_write_error

POLL_S = 0.25
"""Seconds between two looks at the workers."""
MAX_FRUITLESS_DEATHS = 5
"""Workers that may be killed, one after the other, without a frame between them."""
STOP_TIMEOUT_S = 60.0
"""Seconds that a worker has to finish its frame, and to save it, before it is killed."""
MAX_QUOTED_LOG_BYTES = 4096
"""Bytes at the end of a worker's log in which its error is looked for."""
ERROR_PREFIX = "error: "
"""What the line begins with that a worker ends with."""
ALL_SHARDS = "all"
"""What a worker is started for that renders whatever no other one has."""
WORKER_PREFIX = "worker "
"""What the lines begin with in which the process of a cluster tells of its workers."""
STOPPED_CODE = 130
"""Exit code of a worker that was stopped by Ctrl-C."""

WorkerCommand = Callable[[Path, str], Sequence[str]]
"""Returns the words that start a worker on a job's folder, for shards such as `all` or `3`. The
worker must stop when its standard input is closed."""


@dataclass
class _Place:
    """Where a worker runs: a device, or a share of the threads.

    Attributes:
        number: From 1, for people.
        command: What starts a worker there.
        process: The worker, if there is one.
        shards: Which shards the worker was started for, such as `all` or `3`.
        has_failed: Whether a worker there has ended with an error, which another would have too.
        begin: Where the log of the worker begins in that of the place.
        told_bytes: How much of the log was passed on, where that is asked for.
    """

    number: int
    command: WorkerCommand
    process: subprocess.Popen[bytes] | None = field(default=None)
    shards: str = ""
    has_failed: bool = False
    begin: int = 0
    told_bytes: int = 0


class WorkerPool:
    """Keeps a worker running in each place until all shards are done."""

    def __init__(
        self, commands: Sequence[WorkerCommand], notify: MessageCallback, passes_on: bool = False
    ) -> None:
        """Take the places. Workers start with the first shard that is wanted.

        Args:
            commands: What starts a worker, for each place.
            notify: Called with each line for the user.
            passes_on: Whether what workers say is passed on: one that has others render tells of
                them.
        """
        self._passes_on = passes_on
        self._places = [_Place(n, command) for n, command in enumerate(commands, start=1)]
        self._notify = notify
        self._fruitless_deaths = self._frames = 0
        self._done: DoneFrames | None = None

    def __enter__(self) -> Self:
        """Begin with no worker."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop all workers; each saves what it has."""
        self.stop()

    def render(self, job: ShardedJob, number: int) -> Generator[int, None, None]:
        """Yield how many frames of the whole job are dreamed, until a shard is done.

        Raises:
            OutputError: No worker can go on.
        """
        done = self._done = self._done or DoneFrames(job)
        frames = job.plan.shards[number].frames
        while True:
            if done.count() > self._frames:
                self._frames, self._fruitless_deaths = done.total, 0
            is_full = done.by_shard[number] == frames and not is_shard_locked(job, number)
            if is_full and is_shard_done(job, number):
                return
            # A shard that has all of its frames, and is damaged, is rendered by its number.
            self._tend(job, str(number + 1) if is_full else ALL_SHARDS, len(done.unfinished))
            yield done.total
            time.sleep(POLL_S)

    def _tend(self, job: ShardedJob, shards: str, unfinished: int) -> None:
        """Start workers where there are too few, and look after those that have ended."""
        running = 0
        for place in self._places:
            if self._passes_on and place.process is not None:
                self._pass_on(job, place)
            if place.process is not None and place.process.poll() is not None:
                self._bury(job, place, place.process)
            running += place.process is not None
        for place in self._places:
            if place.process is None and not place.has_failed and running < max(1, unfinished):
                self._start(job, place, self._not_twice(shards))
                running += 1
        if not running:
            errors = [self._find_error(job, place) for place in self._places]
            raise OutputError(
                f"no worker can go on: {next(filter(None, errors), 'none says why')}",
                where=str(job.folder),
            )

    def _not_twice(self, shards: str) -> str:
        """Return which shards a worker is started for: a certain one is for a single worker."""
        given = {place.shards for place in self._places if place.process is not None}
        return ALL_SHARDS if shards in given else shards

    def _bury(self, job: ShardedJob, place: _Place, process: subprocess.Popen[bytes]) -> None:
        """Take note of a worker that has ended."""
        _close(process.stdin)
        place.process, code = None, process.returncode
        if code in (0, STOPPED_CODE):
            return
        if code > 0 and (error := self._find_error(job, place)):
            place.has_failed = True
            self._notify(f"worker {place.number} has stopped: {error}")
            return
        self._fruitless_deaths += 1
        name = f"exit code {code}" if code > 0 else f"signal {-code}"
        with contextlib.suppress(ValueError):
            name = signal.Signals(-code).name
        if self._fruitless_deaths >= MAX_FRUITLESS_DEATHS:
            why = ", as where memory is full" if name == "SIGKILL" else ""
            raise OutputError(
                f"{self._fruitless_deaths} workers were ended by {name}{why}, without a frame "
                "between them",
                where=str(job.folder),
            )
        self._notify(f"worker {place.number} was ended by {name}: its shard is taken over")

    def _start(self, job: ShardedJob, place: _Place, shards: str) -> None:
        try:
            with _log_path(job, place).open("ab") as log:
                place.begin = log.tell()
                place.told_bytes = max(place.told_bytes, place.begin)
                place.shards = shards
                place.process = subprocess.Popen(
                    place.command(job.folder, shards),
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                )
        except OSError as error:
            raise make_write_error(_log_path(job, place), error) from error

    def _pass_on(self, job: ShardedJob, place: _Place) -> None:
        """Tell the user what the process of a cluster has said of its workers meanwhile."""
        with contextlib.suppress(OSError):
            said = read_file_bytes(_log_path(job, place))[place.told_bytes :]
            whole, _, _ = said.rpartition(b"\n")
            place.told_bytes += len(whole) + bool(whole)
            for line in whole.decode(errors="replace").splitlines():
                if line.startswith(WORKER_PREFIX):
                    self._notify(line)

    def _find_error(self, job: ShardedJob, place: _Place) -> str:
        """Return the error that a worker has ended with; "" where it had no time to say one."""
        try:
            said = read_file_bytes(_log_path(job, place))[place.begin :]
        except OSError:
            return ""
        lines = said[-MAX_QUOTED_LOG_BYTES:].decode(errors="replace").splitlines()
        errors = [line for line in lines if line.startswith(ERROR_PREFIX)]
        return errors[-1].removeprefix(ERROR_PREFIX) if errors else ""

    def stop(self) -> None:
        """Stop all workers, and wait for them; each saves what it has."""
        processes = [place.process for place in self._places if place.process is not None]
        try:
            for process in processes:
                _close(process.stdin)
            deadline = time.monotonic() + STOP_TIMEOUT_S
            for process in processes:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, deadline - time.monotonic()))
        finally:
            for place in self._places:
                if place.process is not None and place.process.poll() is None:
                    place.process.kill()
                    place.process.wait()
                place.process = None


def _log_path(job: ShardedJob, place: _Place) -> Path:
    return job.folder / SHARDS_FOLDER / f"worker_{place.number}.log"


def _close(stream: IO[bytes] | None) -> None:
    if stream is not None:
        with contextlib.suppress(OSError):
            stream.close()
