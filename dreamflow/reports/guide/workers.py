"""Worker processes that dream one picture on many layers, each layer by itself.

Workers are given one layer after the other, and return its dream: only this process writes files. A
worker that dies is replaced, and its layer given to another.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any, Self, cast

from dreamflow.core.errors import DreamFlowError, DreamFlowWarning, OutputError
from dreamflow.core.frames import Frame
from dreamflow.core.machine.machine import Machine
from dreamflow.core.machine.options import MachineOptions
from dreamflow.dream.options import DreamOptions
from dreamflow.networks.loading import load_network
from dreamflow.reports.guide.layers import LayerDream, dream_layers

MAX_FRUITLESS_DEATHS = 5
"""Workers that may die, one after the other, without a dream between them."""
STOP_TIMEOUT_S = 5.0
"""Seconds that a worker has to end, before it is killed."""

Task = tuple[Frame, str, DreamOptions]
"""What a worker is sent: a picture, a target, and the settings of its dream."""
Answer = tuple[LayerDream, list[DreamFlowWarning]]
"""What it returns; a worker that cannot begin returns its error in words."""
WorkerProgram = Callable[[Connection, str, MachineOptions], None]
"""Answers tasks that come through a connection until it is closed."""


def serve_layers(connection: Connection, network_name: str, machine: MachineOptions) -> None:
    """Dream what is asked for until nobody asks any more: a worker's program."""
    # Ctrl-C is for the process that asks, which then ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with warnings.catch_warnings():
            # What there is to say of the network, the process that asks has said.
            warnings.simplefilter("ignore", DreamFlowWarning)
            network = load_network(
                network_name, machine.weights, machine=Machine.from_options(machine)
            )
    except DreamFlowError as error:
        connection.send(error.message)
        return
    with contextlib.suppress(EOFError, OSError):
        while True:
            frame, target, options = cast("Task", connection.recv())
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", DreamFlowWarning)
                (dreamed,) = dream_layers(frame, network, [target], options)
            messages: list[Any] = [one.message for one in caught]
            warned = [message for message in messages if isinstance(message, DreamFlowWarning)]
            connection.send((dreamed, warned))


@dataclass
class _Worker:
    """A process, and the target that it dreams on, if any."""

    process: SpawnProcess
    connection: Connection
    target: str | None = None


class LayerWorkers:
    """Dreams pictures on layers by worker processes; they start with the first picture."""

    def __init__(
        self,
        network: str,
        machines: Sequence[MachineOptions],
        program: WorkerProgram = serve_layers,
    ) -> None:
        """Take where workers compute.

        Args:
            network: The network's name.
            machines: Device, threads, memory and weights of each worker.
            program: What a worker runs.
        """
        self._network, self._machines, self._program = network, machines, program
        self._workers: dict[int, _Worker] = {}

    def __enter__(self) -> Self:
        """Begin with no worker."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all workers, whatever they are doing."""
        for worker in self._workers.values():
            worker.connection.close()
            worker.process.terminate()
        for worker in self._workers.values():
            worker.process.join(STOP_TIMEOUT_S)
            worker.process.kill()
        self._workers.clear()

    def dream_layers(
        self, frame: Frame, targets: Iterable[str], options: DreamOptions, warns: bool = True
    ) -> Iterator[LayerDream]:
        """Yield the dream of a frame on each target, in the order in which they are finished.

        A target that fails does not stop the others.

        Args:
            frame: The picture; its index keys the dream's randomness.
            targets: Layers, or channels of layers.
            options: Settings of the dream.
            warns: Whether to give the warnings of the dreams.

        Raises:
            OutputError: No worker can begin, or one after the other dies.
        """
        waiting, deaths = deque(targets), 0
        while waiting or any(worker.target for worker in self._workers.values()):
            self._give_work(frame, waiting, options)
            busy = {w.connection: n for n, w in self._workers.items() if w.target}
            for connection in wait(list(busy)):
                number = busy[cast("Connection", connection)]
                try:
                    answer = self._workers[number].connection.recv()
                except (EOFError, OSError):
                    deaths += 1
                    waiting.appendleft(self._bury(number, deaths))
                    continue
                deaths, self._workers[number].target = 0, None
                yield _read_answer(answer, warns)

    def _give_work(self, frame: Frame, waiting: deque[str], options: DreamOptions) -> None:
        """Send a target to each worker that has none, and start workers where some are missing."""
        for number, machine in enumerate(self._machines):
            if not waiting:
                return
            worker = self._workers.get(number)
            if worker is None:
                worker = self._workers[number] = _start(self._program, self._network, machine)
            if worker.target is None:
                worker.target = waiting.popleft()
                # One that has died meanwhile is noticed where its answer is read.
                with contextlib.suppress(OSError):
                    worker.connection.send((frame, worker.target, options))

    def _bury(self, number: int, deaths: int) -> str:
        """Take note of a worker that has died, and return the target that it was at.

        Raises:
            OutputError: Too many have died.
        """
        worker = self._workers.pop(number)
        worker.connection.close()
        worker.process.join()
        if deaths >= MAX_FRUITLESS_DEATHS:
            code = worker.process.exitcode or 0
            how = "SIGKILL, as where memory is full" if code == -signal.SIGKILL else f"code {code}"
            raise OutputError(
                f"{deaths} workers have died ({how}), one after the other, the last at "
                f"{worker.target}"
            )
        assert worker.target is not None
        return worker.target


def _start(program: WorkerProgram, network: str, machine: MachineOptions) -> _Worker:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=program, args=(theirs, network, machine), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _read_answer(answer: Answer | str, warns: bool) -> LayerDream:
    """Return the dream of an answer; gives the warnings that came with it."""
    if isinstance(answer, str):
        raise OutputError(f"no worker can begin: {answer}")
    dreamed, warned = answer
    for warning in warned if warns else ():
        warnings.warn(warning, stacklevel=4)
    return dreamed
