"""Programs in place of workers' own, in a module that their process imports quickly."""

from __future__ import annotations

import os
import time
from multiprocessing.connection import Connection
from types import SimpleNamespace
from typing import Any

from dreamflow.studio.worker.messages import (
    PreviewBegun,
    PreviewRequest,
    WorkerReady,
    decode_request,
    encode_message,
)


def die_at_once(connection: Connection, machine: dict[str, Any]) -> None:
    os._exit(3)


def die_on_requests(connection: Connection, machine: dict[str, Any]) -> None:
    connection.send_bytes(encode_message(WorkerReady(1)))
    asked = decode_request(connection.recv_bytes())
    assert isinstance(asked, PreviewRequest)
    connection.send_bytes(encode_message(PreviewBegun(asked.number)))
    os._exit(1)


def die_at_half_of_the_layers(connection: Connection, folder: str, machine: Any) -> None:
    """Answer each layer with its frame, at the second time that it is asked for."""
    while True:
        frame, layer, _ = connection.recv()
        try:
            os.mkdir(os.path.join(folder, layer))
        except FileExistsError:
            connection.send((layer_dream(layer, frame.picture), []))
        else:
            os._exit(9)


def answer_the_first_layer_last(connection: Connection, folder: str, machine: Any) -> None:
    while True:
        frame, layer, _ = connection.recv()
        while layer == "a" and len(os.listdir(folder)) < 3:
            time.sleep(0.01)
        os.mkdir(os.path.join(folder, layer))
        connection.send((layer_dream(layer, frame.picture), []))


def say_why_not(connection: Connection, folder: str, machine: Any) -> None:
    connection.send("there are no weights")


def layer_dream(layer: str, picture: Any) -> Any:
    """Return what looks like a `LayerDream`, whose module loads PyTorch."""
    return SimpleNamespace(layer=layer, picture=picture, failure="")
