"""Serves the page: to this machine alone, unless another host is named."""

from __future__ import annotations

import socket
import webbrowser
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.middleware.gzip import GZipMiddleware
from nicegui import ui

from dreamflow.core.errors import OutputError, SettingsError, named
from dreamflow.studio.access import LOCAL_HOSTS, TOKEN_PARAMETER, AccessGuard, make_token
from dreamflow.studio.page.layout import build_page
from dreamflow.studio.page.routes import add_routes
from dreamflow.studio.studio import Studio

ANY_PORT = 0
ANY_HOST = ("0.0.0.0", "::")
"""Hosts that stand for every address of the machine."""
RECONNECT_S = 60.0
"""Seconds that a page which sleeps is waited for before it is built anew."""


@dataclass(frozen=True)
class Address:
    """Where the page is served.

    Attributes:
        host: A name or number of this machine.
        port: The port; 0 for any that is free.
        password: What is asked for where there is no token; needed for other hosts than this one.
    """

    host: str = "127.0.0.1"
    port: int = ANY_PORT
    password: str | None = None

    def check(self) -> None:
        """Raise SettingsError where others could use the page without a password."""
        if self.host not in LOCAL_HOSTS and not self.password:
            raise SettingsError(
                f"{named('host')} {self.host} lets other machines in: set a password in "
                "$DREAMFLOW_STUDIO_PASSWORD first",
                setting="host",
                value=self.host,
            )


def open_socket(address: Address) -> socket.socket:
    """Return a socket that listens at an address.

    Raises:
        OutputError: The port is taken, or the host is no address of this machine.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address.host.strip("[]"), address.port))
        listening.listen()  # whoever comes before the page is served waits, and is not refused
    except OSError as error:
        listening.close()
        raise OutputError(
            f"{address.host}:{address.port} cannot be used ({error.strerror or error}): another "
            f"program has it; give {named('port')} 0 for any that is free",
            setting="port",
            value=address.port,
        ) from error
    return listening


def serve_studio(
    studio: Studio, address: Address, announce: Callable[[str], None], *, open_browser: bool = True
) -> None:
    """Serve the page until Ctrl-C.

    Args:
        studio: What it shows.
        address: Where.
        announce: Called with the address to open, its token included.
        open_browser: Whether to open it, too.

    Raises:
        OutputError: The port is taken.
        SettingsError: Another host is named without a password.
    """
    address.check()
    listening = open_socket(address)
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
