"""HTTP connections that are cut when they are too slow, wherever the server lets them wait.

A socket's own timeout begins anew with every byte, so a server that sends one now and then, in the
head of its answer or in its body, keeps a download for ever. A thread watches the bytes that come.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
import urllib.request
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, cast

MIN_DOWNLOAD_BYTES_S = 1000
"""Bytes a second below which a connection is cut."""
WATCH_INTERVALS = 10
"""How often a connection is looked at within the time that it may be slow for."""


class ConnectionWatch:
    """Cuts the connections of one try; a context manager.

    Attributes:
        reason: Why they were cut, in words; "" where they were not.
    """

    def __init__(self, window_s: float, deadline_s: float) -> None:
        """Watch from now on.

        Args:
            window_s: Seconds in which MIN_DOWNLOAD_BYTES_S must come on average.
            deadline_s: When all must be done, in seconds of `time.monotonic`.
        """
        self.reason = ""
        self._window_s, self._deadline_s = window_s, deadline_s
        self._sockets: list[socket.socket] = []
        self._received = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="download-watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()
        for connected in self._sockets:
            connected.close()

    def count(self, received: int) -> None:
        """Count bytes of the file that have come."""
        self._received += received

    def handlers(self) -> list[urllib.request.BaseHandler]:
        """Return the handlers for `urllib.request.build_opener` whose connections are watched."""
        watch = self

        class Watched:
            def do_open(self, http_class: Any, req: Any, **more: Any) -> Any:
                def connect(host: str, **arguments: Any) -> Any:
                    return watch.follow(http_class(host, **arguments))

                return super().do_open(connect, req, **more)  # type: ignore[misc]

        class WatchedHttpHandler(Watched, urllib.request.HTTPHandler):
            pass

        class WatchedHttpsHandler(Watched, urllib.request.HTTPSHandler):
            pass

        return [WatchedHttpHandler(), WatchedHttpsHandler()]

    def follow(self, connection: http.client.HTTPConnection) -> http.client.HTTPConnection:
        """Return a connection whose socket is cut when it is too slow."""
        # Before TLS shakes hands, which a server can draw out, too; http.client has no public way.
        create = cast("Callable[..., socket.socket]", connection._create_connection)  # type: ignore[attr-defined]

        def create_and_follow(*arguments: Any, **more: Any) -> socket.socket:
            connected = create(*arguments, **more)
            self._sockets.append(connected.dup())  # shut down, it ends the original as well
            if self.reason:
                self._cut()
            return connected

        connection._create_connection = create_and_follow  # type: ignore[attr-defined]
        return connection

    def _watch(self) -> None:
        begun_s, counted = time.monotonic(), self._received
        least = MIN_DOWNLOAD_BYTES_S * self._window_s
        while not self._ended.wait(self._window_s / WATCH_INTERVALS):
            now = time.monotonic()
            if now >= self._deadline_s:
                self.reason = "it took too long in all"
            elif self._received - counted >= least:
                begun_s, counted = now, self._received
            elif now - begun_s >= self._window_s:
                self.reason = (
                    f"nothing came for {self._window_s:g} s"
                    if self._received == counted
                    else f"less than {MIN_DOWNLOAD_BYTES_S:,} bytes a second came"
                )
            if self.reason:
                self._cut()
                return

    def _cut(self) -> None:
        for connected in self._sockets:
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)
