"""The renders of a batch in a process of their own, so that a crash costs one render.

A decoder library that crashes, or a system that is out of memory, ends the worker; that render has
failed, and the next one runs in another worker.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import FrameType
from typing import Any

from dreamflow.cli.output import terminal
from dreamflow.core.errors import DreamFlowWarning, UserInterrupt

RenderResult = tuple[str, str]
"""How a render ended, and a line about it."""
FAILED = "FAILED"
"""How a render ended that did not succeed."""


class RenderWorker:
    """A process that runs one render after the other; a new one is started after a crash."""

    def __init__(self, run_render: Callable[[Any], RenderResult]) -> None:
        """Prepare to run renders by a function, which must be picklable."""
        self._run_render = run_render
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None

    def run(self, render: Any) -> RenderResult:
        """Run a render, and return how it ended; prints an error where the worker crashed.

        Raises:
            UserInterrupt: Ctrl-C was pressed; its notes say what is kept.
        """
        with _ctrl_c_left_to_worker():
            connection = self._connection or self._start()
            try:
                connection.send(render)
                answer = connection.recv()
            except (EOFError, OSError):
                answer = FAILED, _describe_crash(self.close())
                terminal.print_error(answer[1])
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def close(self) -> int:
        """End the process, and return its exit code."""
        process, connection = self._process, self._connection
        self._process = self._connection = None
        if process is None or connection is None:
            return 0
        connection.close()
        process.join()
        return process.exitcode or 0

    def _start(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._run_render))
        process.start()
        theirs.close()
        self._process, self._connection = process, ours
        return ours


def _describe_crash(exit_code: int) -> str:
    if exit_code == -signal.SIGKILL:
        return "the render was killed (SIGKILL), as where memory is full: give a smaller --size"
    how = f"exit code {exit_code}"
    with contextlib.suppress(ValueError):
        how = signal.Signals(-exit_code).name
    return f"the render's process crashed ({how}): the same command tries it again"


@contextmanager
def _ctrl_c_left_to_worker() -> Generator[None]:
    """Let the worker, which receives Ctrl-C too, answer it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def wait_for_worker(number: int, frame: FrameType | None) -> None:
        pass

    previous = signal.signal(signal.SIGINT, wait_for_worker)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def _serve(connection: Connection, run_render: Callable[[Any], RenderResult]) -> None:
    """Run the renders that come through a connection until it is closed: the worker's program."""
    renders: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(connection, renders), daemon=True).start()
    warnings.simplefilter("always", DreamFlowWarning)
    warnings.showwarning = terminal.show_warning
    if "--verbose" in sys.argv:
        from dreamflow.cli.output.log import show_log

        show_log()
    while True:
        try:
            answer: Any = run_render(renders.get())
        except UserInterrupt as stopped:
            answer = stopped
        except KeyboardInterrupt:
            answer = UserInterrupt("stopped")
        connection.send(answer)


def _receive(connection: Connection, renders: queue.SimpleQueue[Any]) -> None:
    """Pass on what comes; end the worker when the batch has ended, however that came."""
    try:
        while True:
            renders.put(connection.recv())
    except (EOFError, OSError):
        os._exit(0)
