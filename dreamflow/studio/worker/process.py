"""The worker's program: takes requests through a pipe, and sends pictures back."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec

from dreamflow.core.errors import DreamFlowError, MemoryFullError
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.machine.out_of_memory import is_out_of_memory
from dreamflow.studio.worker.inbox import Inbox
from dreamflow.studio.worker.messages import (
    MAX_MESSAGE_BYTES,
    FromWorker,
    LayerFacts,
    LayersListed,
    ListLayers,
    MeasureFilm,
    PreferRequests,
    PreviewBegun,
    PreviewDropped,
    PreviewFailed,
    Request,
    WorkerReady,
    decode_request,
    encode_message,
)

WORKER_NICENESS = 10
"""How far the worker stands back behind a render at the usual priority (Unix niceness): beside one
it gets about a tenth of a core."""

MEMORY_FULL_EXIT_CODE = 77
"""Exit code of a worker whose memory is full even for the smallest picture."""


class _Outlet:
    """The worker's end of the pipe, to which several threads write."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._lock = connection, threading.Lock()

    def send(self, message: FromWorker) -> None:
        """Send a message; end the process where the studio has gone."""
        try:
            with self._lock:
                self._connection.send_bytes(encode_message(message))
        except OSError:
            os._exit(0)


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
    outlet, weights = _Outlet(connection), MachineOptions(**machine).weights
    threading.Thread(
        target=_receive, args=(connection, inbox, outlet, weights), daemon=True
    ).start()
    from dreamflow.studio.worker.previews import PreviewMaker  # loads PyTorch

    maker = PreviewMaker(MachineOptions(**machine))
    outlet.send(WorkerReady(maker.machine.threads))
    while True:
        request = inbox.take()
        for dropped in inbox.take_dropped():
            outlet.send(PreviewDropped(dropped.number))
        if request is not None:
            _answer(outlet, inbox, maker, request)


def _answer(outlet: _Outlet, inbox: Inbox, maker: Any, request: Request) -> None:
    """Dream what a request asks for, unless it becomes stale or must wait."""

    def check() -> None:
        if inbox.is_stale(request):
            raise _StaleError
        if inbox.must_wait(request):
            raise _PreemptedError

    try:
        check()
        outlet.send(PreviewBegun(request.number))
        if isinstance(request, MeasureFilm):
            outlet.send(maker.measure(request, check))
            return
        if request.coarse:
            first = maker.make(request, check, coarse=True)
            outlet.send(first)
            if first.is_last:
                return
            request = msgspec.structs.replace(request, coarse=False)
            check()
        outlet.send(maker.make(request, check))
    except _StaleError:
        outlet.send(PreviewDropped(request.number))
    except _PreemptedError:
        inbox.put(request)
    except MemoryFullError:  # unanswered, it is put to the next process, which holds nothing yet
        os._exit(MEMORY_FULL_EXIT_CODE)
    except DreamFlowError as error:
        outlet.send(PreviewFailed(request.number, str(error), error.setting or ""))
    except Exception as error:
        if is_out_of_memory(error):
            os._exit(MEMORY_FULL_EXIT_CODE)
        first = (str(error).splitlines() or [""])[0]
        message = f"a fault in DreamFlow: {type(error).__name__}: {first}"
        outlet.send(PreviewFailed(request.number, message))


def _list_layers(outlet: _Outlet, network: str, weights: Path | None) -> None:
    """Send the layers of a network."""
    from dreamflow.networks.loading import network_layers  # loads PyTorch

    layers, failure = list[LayerFacts](), ""
    try:
        found = network_layers(network, weights).values()
        layers = [LayerFacts(one.name, one.channels, one.category) for one in found]
    except DreamFlowError as error:
        failure = str(error)
    outlet.send(LayersListed(network, layers, failure))


def _receive(connection: Connection, inbox: Inbox, outlet: _Outlet, weights: Path | None) -> None:
    """Pass on what comes; end the process when the studio has gone, however that came."""
    try:
        while True:
            message = decode_request(connection.recv_bytes(MAX_MESSAGE_BYTES))
            if isinstance(message, ListLayers):
                arguments = (outlet, message.network, weights)
                threading.Thread(target=_list_layers, args=arguments, daemon=True).start()
            elif isinstance(message, PreferRequests):
                inbox.prefer(message)
            else:
                inbox.put(message)
    except (EOFError, OSError, msgspec.MsgspecError):
        os._exit(0)
    except MemoryError:
        os._exit(MEMORY_FULL_EXIT_CODE)
