"""What the studio needs of a worker: a test has one that answers by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from dreamflow.core.machine.options import MachineOptions
from dreamflow.studio.worker.messages import Answer, Request


class Worker(Protocol):
    """What is needed of a `PreviewWorker`."""

    def start(self) -> None:
        """Start it."""
        ...

    def ask(self, request: Request) -> None:
        """Put a request."""
        ...

    def list_layers(self, network: str) -> None:
        """Ask for the layers of a network."""
        ...

    def drop(self, lane: str, generation: int) -> None:
        """Drop the requests of a lane that are older than a generation."""
        ...

    def prefer(self, lane: str, numbers: Sequence[int]) -> None:
        """Have some requests of a lane answered before its others."""
        ...

    def close(self) -> None:
        """End it."""
        ...


MakeWorker = Callable[[Callable[[Answer], None], MachineOptions], Worker]
"""Makes a worker, given what hears its answers, and what it dreams on."""
