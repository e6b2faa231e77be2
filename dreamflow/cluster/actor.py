"""A worker in a process of Ray's: one network, and one shard after the other.

Each call returns soon, so that its caller hears how far a shard is, and can stop it between two
frames. What goes wrong is returned in words: an exception would need its class on the other side.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from dreamflow._version import __version__
from dreamflow.cluster.parcel import (
    Parcel,
    SentFrames,
    Ticket,
    keep_documents,
    scratch_folder,
)
from dreamflow.cluster.session import get_object
from dreamflow.core.errors import DreamFlowError, OutputError, WeightsError
from dreamflow.core.frames import Frame
from dreamflow.jobs.controls import RenderControls
from dreamflow.jobs.shards.plan import shard_folder
from dreamflow.jobs.shards.shard import ShardedJob
from dreamflow.jobs.shards.worker import ShardWorker, open_sharded_job, open_worker
from dreamflow.jobs.storage.folder import JobLockedError
from dreamflow.networks.loading import find_weights

SLICE_S = 1.0
"""Seconds that a call renders for, or one frame where that takes longer."""


@dataclass(frozen=True)
class Refusal:
    """Why a worker does not work, in words; it is not going to be otherwise.

    Attributes:
        reason: The message of the error.
    """

    reason: str


@dataclass(frozen=True)
class Greeting:
    """What a worker says of itself.

    Attributes:
        host: The name of its machine.
        version: Its version of DreamFlow.
        sees_folder: Whether it sees the job's folder.
        sees_inputs: Whether it has the job's inputs.
        has_weights: Whether it has weights of the job's network.
    """

    host: str
    version: str
    sees_folder: bool
    sees_inputs: bool
    has_weights: bool


@dataclass(frozen=True)
class Progress:
    """How far a shard is.

    Attributes:
        frames: How many of its frames are done.
        is_done: Whether it is complete.
        is_locked: Whether someone else renders it.
    """

    frames: int = 0
    is_done: bool = False
    is_locked: bool = False


P = ParamSpec("P")
ResultT = TypeVar("ResultT")


def _refusing(
    method: Callable[Concatenate[ShardActor, P], ResultT],
) -> Callable[Concatenate[ShardActor, P], ResultT | Refusal]:
    """Return a method that returns DreamFlow's errors in words."""

    @wraps(method)
    def call(self: ShardActor, *args: P.args, **kwargs: P.kwargs) -> ResultT | Refusal:
        try:
            return method(self, *args, **kwargs)
        except DreamFlowError as error:
            return Refusal(error.message)

    return call


class ShardActor:
    """Renders shards of one job; see `ClusterRender` for the order of its calls."""

    def __init__(self, ticket: Ticket, get: Callable[[Any], Any] = get_object) -> None:
        """Take what there is to know of the job.

        Args:
            ticket: The job.
            get: Fetches an object.
        """
        self._ticket, self._get = ticket, get
        self._open = ExitStack()
        self._worker: ShardWorker | None = None
        self._steps: Generator[int, None, None] | None = None
        self._frames: SentFrames | None = None
        self._done = 0
        self._controls = RenderControls()

    @_refusing
    def greet(self) -> Greeting:
        """Return what this worker is, and what it sees of the job."""
        job = self._find_job()
        network = job.metadata["record"]["network"]["name"]
        has_weights = True
        try:
            find_weights(network, self._ticket.machine.weights or job.plan.weights)
        except WeightsError:
            has_weights = False
        return Greeting(
            socket.gethostname(),
            __version__,
            self._ticket.sees_folder,
            self._ticket.sees_inputs(job),
            has_weights,
        )

    def _find_job(self) -> ShardedJob:
        """Return the job: in its own folder where that is seen, else in one that stands for it."""
        if self._ticket.sees_folder:
            return open_sharded_job(self._ticket.folder)
        return open_sharded_job(keep_documents(self._ticket))

    @_refusing
    def open(self, parcel: Parcel) -> None:
        """Check that this worker gives the frames of the others, and load its network.

        Args:
            parcel: What it lacks of the job's inputs and weights.

        Raises:
            DreamFlowError: As `open_worker`.
        """
        job, machine = self._find_job(), self._ticket.machine
        sent = parcel.unpack_inputs(job, self._sent_frames)
        if weights := parcel.unpack_weights(job):
            machine = replace(machine, weights=weights)
        self._worker = self._open.enter_context(
            open_worker(job.folder, machine, self._controls, self._ticket.mixed, sent)
        )

    def _sent_frames(self, start: int) -> Iterator[Frame]:
        assert self._frames is not None
        return self._frames.frames_from(start, self._get)

    @_refusing
    def begin(self, number: int, frames: SentFrames | None) -> Progress:
        """Begin a shard, or go on with it as its folder has it.

        Args:
            number: The shard's number, from 0.
            frames: Its frames, where the clip is not seen.

        Raises:
            DreamFlowError: As `render_shard`.
        """
        self._halt()
        assert self._worker is not None
        self._frames, self._done = frames, 0
        self._steps = self._worker.render(number, self._controls)
        return self._go_on()

    @_refusing
    def go_on(self) -> Progress:
        """Render the shard that was begun for a while. Raises DreamFlowError."""
        return self._go_on()

    def _go_on(self) -> Progress:
        assert self._steps is not None
        until_s = time.monotonic() + SLICE_S
        try:
            for frames in self._steps:
                self._done = frames
                if time.monotonic() >= until_s:
                    return Progress(self._done)
        except JobLockedError:
            self._halt()
            return Progress(is_locked=True)
        self._halt()
        return Progress(self._done, is_done=True)

    @_refusing
    def read_piece(self, number: int, name: str) -> bytes:
        """Return the content of one of the files that a shard is made of. Raises OutputError."""
        assert self._worker is not None
        try:
            return (shard_folder(self._worker.job.folder, number) / name).read_bytes()
        except OSError as error:
            raise OutputError(f"{name} of a shard cannot be read: {error.strerror}") from error

    def forget(self, number: int) -> None:
        """Remove a shard that was fetched from the folder that stands for the job's."""
        if self._worker is not None and not self._ticket.sees_folder:
            folder = shard_folder(self._worker.job.folder, number)
            shutil.rmtree(folder, ignore_errors=True)

    def stop(self, is_job_done: bool) -> None:
        """Save what there is of a shard, and end.

        Args:
            is_job_done: Whether nothing is left to do: then the scratch folder goes.
        """
        self._halt()
        self._open.close()
        if is_job_done:
            shutil.rmtree(scratch_folder(self._ticket.job_id), ignore_errors=True)

    def _halt(self) -> None:
        """Stop the shard at work, whose frames so far are saved."""
        steps, self._steps, self._frames = self._steps, None, None
        if steps is not None:
            with contextlib.suppress(DreamFlowError):
                steps.close()
