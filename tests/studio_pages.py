"""A studio without a browser and without dreaming, for tests of its page."""

from __future__ import annotations

import asyncio
import io
import signal
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from conftest import PATIENCE_S
from PIL import Image

from dreamflow.core.machine.options import MachineOptions
from dreamflow.networks.loading import network_layers
from dreamflow.studio.files.folders import OpenFolders
from dreamflow.studio.films.renders import RenderQueue
from dreamflow.studio.studio import Studio
from dreamflow.studio.worker import LayerFacts, LayersListed, PreviewPicture, PreviewRequest
from dreamflow.studio.worker.messages import MeasureFilm

LOOK_S = 0.1
"""Seconds between two looks of NiceGUI's simulated user."""


class AnsweringWorker:
    """Answers each request at once with a grey picture."""

    def __init__(self) -> None:
        self.asked: list[PreviewRequest] = []
        self.measured: list[MeasureFilm] = []
        self.preferred: list[int] = []
        self.hold = False
        self.studio: Studio | None = None
        file = io.BytesIO()
        Image.new("RGB", (4, 2), "grey").save(file, "PNG")
        self._image = file.getvalue()

    def start(self) -> None:
        pass

    def ask(self, request: PreviewRequest | MeasureFilm) -> None:
        if isinstance(request, MeasureFilm):
            self.measured.append(request)
            return  # a test answers
        self.asked.append(request)
        if not self.hold:
            asyncio.get_running_loop().call_soon(self._answer, request)

    def _answer(self, request: PreviewRequest) -> None:
        assert self.studio is not None
        self.studio.take_answer(
            PreviewPicture(
                number=request.number,
                is_coarse=request.coarse and not request.full,
                is_last=True,
                image=self._image,
                media_type="image/png",
                width=4,
                height=2,
                seconds=0.01,
            )
        )

    def list_layers(self, network: str) -> None:
        assert self.studio is not None
        layers = [
            LayerFacts(one.name, one.channels, one.category)
            for one in network_layers(network).values()
        ]
        asyncio.get_running_loop().call_soon(self.studio.take_answer, LayersListed(network, layers))

    def prefer(self, lane: str, numbers: Sequence[int]) -> None:
        self.preferred = list(numbers)

    def drop(self, lane: str, generation: int) -> None:
        pass

    def close(self) -> None:
        pass


def make_studio(folder: Path, home: Path) -> tuple[Studio, AnsweringWorker]:
    """Return a studio that may use a folder, and its worker."""
    worker = AnsweringWorker()
    folders = OpenFolders([folder])
    worker.studio = Studio(
        folders, RenderQueue(home), MachineOptions(threads=1), lambda hear, machine: worker
    )
    return worker.studio, worker


@asynccontextmanager
async def opened(studio: Studio) -> AsyncIterator[Any]:
    """Yield a user who has opened the page."""
    from nicegui.testing import user_simulation

    from dreamflow.studio.page.layout import build_page
    from dreamflow.studio.page.routes import add_routes

    async with user_simulation(root=lambda: build_page(studio)) as user:
        for look in ("should_see", "should_not_see"):
            setattr(user, look, partial(getattr(user, look), retries=round(PATIENCE_S / LOOK_S)))
        add_routes(studio)
        await user.open("/")
        yield user
        studio.strips.close()  # a strip that is being made is no test's matter


def run(scenario: Coroutine[Any, Any, None]) -> None:
    usual = signal.getsignal(signal.SIGINT)
    try:
        asyncio.run(scenario)
    finally:
        # The simulated browser's websocket takes Ctrl-C over for the rest of the process.
        signal.signal(signal.SIGINT, usual)


def only(user: Any, marker: str) -> Any:
    """Return the one element of a marker."""
    (element,) = user.find(marker=marker).elements
    return element
