"""The studio's end of the worker: starts it, passes requests on, and replaces it when it dies."""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

import msgspec

from dreamflow.core.machine.options import MachineOptions
from dreamflow.studio.worker.messages import (
    MAX_MESSAGE_BYTES,
    Answer,
    DropLane,
    FromWorker,
    LayersListed,
    ListLayers,
    PreferRequests,
    PreviewBegun,
    PreviewDropped,
    PreviewFailed,
    PreviewPicture,
    Request,
    ToWorker,
    WorkerReady,
    WorkerRestarted,
    decode_answer,
    encode_message,
)
from dreamflow.studio.worker.process import MEMORY_FULL_EXIT_CODE, serve

MAX_CRASHES = 2
"""Times that a request may end the worker before it is given up."""
MAX_FAILED_STARTS = 3
"""Workers in a row that may die before they are ready."""


class PreviewWorker:
    """A process that answers requests for previews; a new one is started when it dies.

    Requests that were not answered are put to the new one. One that has ended two workers is
    answered with a failure.
    """

    def __init__(
        self,
        on_answer: Callable[[Answer], None],
        machine: MachineOptions | None = None,
        program: Callable[[Connection, dict[str, Any]], None] = serve,
    ) -> None:
        """Prepare a worker; `start` starts it.

        Args:
            on_answer: Called with each answer, by a thread of the worker's.
            machine: What it dreams on.
            program: What runs in the process; picklable.
        """
        self._on_answer, self._program = on_answer, program
        self._machine = dict(vars(machine or MachineOptions()))
        self._lock = threading.RLock()
        self._pending: dict[int, Request] = {}
        self._newest: dict[str, int] = {}
        self._preferred: dict[str, PreferRequests] = {}
        self._crashes: dict[int, int] = {}
        self._unlisted: set[str] = set()
        self._under_way: int | None = None
        self._failed_starts = 0
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._listener: threading.Thread | None = None
        self._is_closed = False

    @property
    def pid(self) -> int | None:
        """Number of the process; None where there is none."""
        process = self._process
        return process.pid if process else None

    def start(self) -> None:
        """Start the process, and a thread that hears its answers."""
        with self._lock:
            if self._is_closed:
                return
            context = multiprocessing.get_context("spawn")
            ours, theirs = context.Pipe()
            process = context.Process(
                target=self._program, args=(theirs, self._machine), daemon=True
            )
            process.start()
            theirs.close()
            self._process, self._connection, self._under_way = process, ours, None
            for network in self._unlisted:
                self._send(ListLayers(network))
            for preferred in self._preferred.values():
                self._send(preferred)
            for request in self._pending.values():
                self._send(request)
            listener = threading.Thread(target=self._listen, args=(process, ours), daemon=True)
            self._listener = listener
            listener.start()

    def ask(self, request: Request) -> None:
        """Put a request; older generations of its lane are dropped."""
        with self._lock:
            self._newest[request.lane] = max(self._newest.get(request.lane, 0), request.generation)
            self._pending[request.number] = request
            if self._connection is None:
                self.start()
            else:
                self._send(request)

    def list_layers(self, network: str) -> None:
        """Ask for the layers of a network."""
        with self._lock:
            self._unlisted.add(network)
            self._send(ListLayers(network))

    def drop(self, lane: str, generation: int) -> None:
        """Drop the requests of a lane that are older than a generation."""
        with self._lock:
            self._newest[lane] = max(self._newest.get(lane, 0), generation)
            self._send(DropLane(lane, generation))

    def prefer(self, lane: str, numbers: Sequence[int]) -> None:
        """Have some requests of a lane answered before its others."""
        with self._lock:
            self._preferred[lane] = PreferRequests(lane, list(numbers))
            self._send(self._preferred[lane])

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._is_closed = True
            process, listener = self._process, self._listener
            self._process = self._connection = None
        if process is not None and listener is not None:
            process.terminate()
            listener.join()  # it alone waits for the process: of two, one would be told too early

    def _send(self, message: ToWorker) -> None:
        if self._connection is not None:
            with contextlib.suppress(OSError):  # it has died: the listener starts another
                self._connection.send_bytes(encode_message(message))

    def _listen(self, process: SpawnProcess, connection: Connection) -> None:
        try:
            while True:
                self._take(decode_answer(connection.recv_bytes(MAX_MESSAGE_BYTES)))
        except (EOFError, OSError, msgspec.MsgspecError):
            pass
        process.kill()
        while process.is_alive():  # whoever starts another one may be told of its end instead
            process.join()
        with self._lock:  # nothing is being sent
            connection.close()
        if not self._is_closed:
            self._restart(process.exitcode or 0)

    def _take(self, message: FromWorker) -> None:
        with self._lock:
            if isinstance(message, PreviewBegun):
                self._under_way = message.number
                return
            if isinstance(message, LayersListed):
                self._unlisted.discard(message.network)
            elif isinstance(message, WorkerReady):
                self._failed_starts = 0
            elif not (isinstance(message, PreviewPicture) and not message.is_last):
                self._pending.pop(message.number, None)
                self._crashes.pop(message.number, None)
                self._under_way = None
        self._on_answer(message)

    def _restart(self, exit_code: int) -> None:
        """Start another process, without the requests that are stale or have ended two of them."""
        reason = describe_exit(exit_code)
        answers: list[Answer] = []
        with self._lock:
            under_way = self._under_way
            self._failed_starts += under_way is None
            if under_way is not None:
                self._crashes[under_way] = self._crashes.get(under_way, 0) + 1
            for number, request in list(self._pending.items()):
                is_stale = request.generation < self._newest.get(request.lane, 0)
                if is_stale:
                    answers.append(PreviewDropped(number))
                elif self._crashes.get(number, 0) >= MAX_CRASHES:
                    answers.append(
                        PreviewFailed(number, f"it ended the preview's process: {reason}")
                    )
                elif self._failed_starts >= MAX_FAILED_STARTS:
                    answers.append(PreviewFailed(number, f"no preview can be made: {reason}"))
                else:
                    continue
                del self._pending[number]
                self._crashes.pop(number, None)
            gives_up = self._failed_starts >= MAX_FAILED_STARTS
            if gives_up:  # until something is asked for again
                self._process = self._connection = None
                self._failed_starts = 0
        for answer in answers:
            self._on_answer(answer)
        self._on_answer(WorkerRestarted(reason))
        if not gives_up:
            self.start()


def describe_exit(exit_code: int) -> str:
    """Return in words how a process has ended."""
    if exit_code == MEMORY_FULL_EXIT_CODE:
        return "the memory is full, end other programs or look at a smaller preview"
    if exit_code == -signal.SIGKILL:
        return "it was killed (SIGKILL), as where memory is full"
    with contextlib.suppress(ValueError):
        if exit_code < 0:
            return f"it crashed ({signal.Signals(-exit_code).name})"
    return f"it ended with exit code {exit_code}"
