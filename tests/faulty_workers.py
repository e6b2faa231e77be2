"""Programs in place of the preview worker's, in a module that their process imports quickly."""

from __future__ import annotations

import os
from multiprocessing.connection import Connection
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
