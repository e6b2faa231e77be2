"""Serves the page: to this machine alone, unless another host is named."""

from __future__ import annotations

import socket
import webbrowser
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.middleware.gzip import GZipMiddleware
from nicegui import ui

from dreamflow.studio.access import LOCAL_HOSTS, TOKEN_PARAMETER, AccessGuard, make_token
from dreamflow.studio.listening import Address
from dreamflow.studio.page.layout import build_page
from dreamflow.studio.page.routes import add_routes
from dreamflow.studio.studio import Studio

ANY_HOST = ("0.0.0.0", "::")
"""Hosts that stand for every address of the machine."""
RECONNECT_S = 60.0
"""Seconds that a page which sleeps is waited for before it is built anew."""


def serve_studio(
    studio: Studio,
    address: Address,
    listening: socket.socket,
    announce: Callable[[str], None],
    *,
    open_browser: bool = True,
) -> None:
    """Serve the page until Ctrl-C.

    Args:
        studio: What it shows.
        address: Where.
        listening: What listens there; see `open_socket`.
        announce: Called with the address to open, its token included.
        open_browser: Whether to open it, too.
    """
    port = listening.getsockname()[1]
    token = make_token()
    shown_host = "127.0.0.1" if address.host in ANY_HOST else address.host
    url = f"http://{shown_host}:{port}/?{TOKEN_PARAMETER}={token}"

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        studio.start()
        announce(url)
        if open_browser:
            webbrowser.open(url)
        yield
        studio.close()

    server = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    add_routes(studio)
    ui.run_with(
        server,
        root=lambda: build_page(studio),
        title="DreamFlow studio",
        favicon="\N{CRESCENT MOON}",
        dark=True,
        language="en-GB",
        reconnect_timeout=RECONNECT_S,
        tailwind=False,
        show_welcome_message=False,
        # Within this machine, sending a file is quicker than to compress it.
        gzip_middleware_factory=None if address.host in LOCAL_HOSTS else GZipMiddleware,
    )
    hosts = ["*"] if address.host in ANY_HOST else [address.host]
    guarded: Any = AccessGuard(
        server, token=token, port=port, hosts=hosts, password=address.password
    )
    config = uvicorn.Config(guarded, log_level="warning", access_log=False, ws="websockets-sansio")
    uvicorn.Server(config).run(sockets=[listening])
