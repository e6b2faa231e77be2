"""The worker's program: takes requests through a pipe, and sends pictures back."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from multiprocessing.connection import Connection
from typing import Any

import msgspec

from dreamflow.core.errors import DreamFlowError
from dreamflow.core.machine.options import MachineOptions
from dreamflow.studio.worker.inbox import Inbox
from dreamflow.studio.worker.messages import (
    MAX_MESSAGE_BYTES,
    FromWorker,
    PreviewBegun,
    PreviewDropped,
    PreviewFailed,
    PreviewRequest,
    WorkerReady,
    decode_request,
    encode_message,
)

WORKER_NICENESS = 10
"""How far the worker stands back behind a render at the usual priority (Unix niceness): beside one
it gets about a tenth of a core."""


class _StaleError(Exception):
    """The request that is dreamed has become stale."""


class _PreemptedError(Exception):
    """A more urgent request has come than the one that is dreamed."""


def serve(connection: Connection, machine: dict[str, Any]) -> None:
    """Answer requests until the connection is closed.

    Args:
        connection: The pipe to the studio.
        machine: Settings of `MachineOptions`, by name.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the studio, which closes the pipe
    if hasattr(os, "nice"):
        with contextlib.suppress(OSError):
            os.nice(WORKER_NICENESS)
    inbox = Inbox()
    threading.Thread(target=_receive, args=(connection, inbox), daemon=True).start()
    from dreamflow.studio.worker.previews import PreviewMaker  # loads PyTorch

    maker = PreviewMaker(MachineOptions(**machine))
    _send(connection, WorkerReady(maker.machine.threads))
    while True:
        request = inbox.take()
        for dropped in inbox.take_dropped():
            _send(connection, PreviewDropped(dropped.number))
        if request is not None:
            _answer(connection, inbox, maker, request)


def _answer(connection: Connection, inbox: Inbox, maker: Any, request: PreviewRequest) -> None:
    """Dream what a request asks for, unless it becomes stale or must wait."""

    def check() -> None:
        if inbox.is_stale(request):
            raise _StaleError
        if inbox.must_wait(request):
            raise _PreemptedError

    try:
        check()
        _send(connection, PreviewBegun(request.number))
        if request.coarse:
            _send(connection, maker.make(request, check, coarse=True))
            request = msgspec.structs.replace(request, coarse=False)
            check()
        if request.full:
            _send(connection, maker.make(request, check))
    except _StaleError:
        _send(connection, PreviewDropped(request.number))
    except _PreemptedError:
        inbox.put(request)
    except DreamFlowError as error:
        _send(connection, PreviewFailed(request.number, str(error), error.setting or ""))
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        message = f"a fault in DreamFlow: {type(error).__name__}: {first}"
        _send(connection, PreviewFailed(request.number, message))


def _send(connection: Connection, message: FromWorker) -> None:
    try:
        connection.send_bytes(encode_message(message))
    except OSError:
        os._exit(0)  # the studio has gone


def _receive(connection: Connection, inbox: Inbox) -> None:
    """Pass on what comes; end the process when the studio has gone, however that came."""
    try:
        while True:
            inbox.put(decode_request(connection.recv_bytes(MAX_MESSAGE_BYTES)))
    except (EOFError, OSError, msgspec.MsgspecError):
        os._exit(0)
