"""Downloading weights from a server that misbehaves in every way that servers do."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import PATIENCE_S
from filelock import FileLock

from dreamflow.core.errors import OutputError, SettingsError, WeightsError
from dreamflow.networks.weights.download import download_file
from dreamflow.networks.weights.registry import WeightsSource

BODY = hashlib.sha256(b"seed").digest() * 4000  # 128,000 bytes
DIGEST = hashlib.sha256(BODY).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves BODY, unless `answer(handler, request_number)` answers and returns True."""

    daemon_threads = True
    answer: Callable[[BaseHTTPRequestHandler, int], bool] = staticmethod(
        lambda handler, number: False
    )
    body = BODY
    ranges = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requested_ranges: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/file.bin"

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing about clients that hang up."""


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.close_connection = True
        self.server.requested_ranges.append(self.headers.get("Range"))
        if not self.server.answer(self, len(self.server.requested_ranges)):
            self.send(self.server.body)

    def send(self, body: bytes, claimed: int | None = None, stop: int | None = None) -> None:
        """Send a body, or the requested range of it; claim another length, or stop early."""
        requested, start = self.headers.get("Range"), 0
        if requested and self.server.ranges:
            start = int(requested.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        rest = body[start:]
        self.send_header("Content-Length", str(len(rest) if claimed is None else claimed))
        self.end_headers()
        self.wfile.write(rest if stop is None else rest[:stop])

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


class Fetch:
    """Downloads without waiting, recording its progress and pauses."""

    def __init__(self, folder: Path) -> None:
        self.target = folder / "weights" / "file.bin"
        self.part = self.target.with_name("file.bin.part")
        self.pauses: list[float] = []
        self.progress: list[tuple[int, int | None]] = []

    def __call__(self, url: str, digest: str = DIGEST, **limits: Any) -> bytes:
        download_file(
            WeightsSource(url, "file.bin", "sha256", digest),
            self.target,
            lambda done, total: self.progress.append((done, total)),
            sleep=self.pauses.append,
            **{"timeout": PATIENCE_S} | limits,
        )
        assert not self.part.exists()
        return self.target.read_bytes()

    def fails(self, url: str, **limits: Any) -> str:
        """Return the message of the error that a download raises."""
        with pytest.raises(WeightsError) as raised:
            self(url, **limits)
        assert not self.target.exists(), "nothing unfinished under the final name"
        assert "\n" not in str(raised.value)
        return str(raised.value)


@pytest.fixture
def fetch(tmp_path: Path) -> Fetch:
    return Fetch(tmp_path)


def test_a_file_is_downloaded_with_progress(server: Server, fetch: Fetch) -> None:
    assert fetch(server.url, DIGEST[:8]) == BODY
    assert fetch.progress[0] == (0, len(BODY))
    assert fetch.progress[-1] == (len(BODY), len(BODY))
    assert fetch.progress == sorted(fetch.progress)
    assert server.requested_ranges == [None]


def test_a_cut_connection_is_resumed_where_it_ended(server: Server, fetch: Fetch) -> None:
    def cut(handler: Handler, number: int) -> bool:
        handler.send(BODY, stop=30_000)
        return True

    server.answer = cut
    assert fetch(server.url) == BODY
    assert server.requested_ranges[:3] == [None, "bytes=30000-", "bytes=60000-"]
    assert not fetch.pauses, "each try brought new bytes"


def test_a_stopped_download_is_resumed(server: Server, fetch: Fetch) -> None:
    fetch.part.parent.mkdir(parents=True)
    fetch.part.write_bytes(BODY[:50_000])
    assert fetch(server.url) == BODY
    assert server.requested_ranges == ["bytes=50000-"]


def test_a_stalled_connection_is_given_up_and_resumed(server: Server, fetch: Fetch) -> None:
    stalled: list[int] = []

    def stall(handler: Handler, number: int) -> bool:
        if len(stalled) == 2:
            return False
        stalled.append(number)
        handler.send(BODY, stop=40_000 if len(stalled) == 1 else 0)
        handler.wfile.flush()
        handler.rfile.read()  # until the client hangs up
        return True

    server.answer = stall
    assert fetch(server.url, timeout=0.5) == BODY
    assert "bytes=40000-" in server.requested_ranges
    assert fetch.pauses


def test_without_ranges_the_whole_file_is_downloaded_again(server: Server, fetch: Fetch) -> None:
    server.ranges = False
    fetch.part.parent.mkdir(parents=True)
    fetch.part.write_bytes(b"x" * 50_000)
    assert fetch(server.url) == BODY


def test_a_stated_length_that_is_too_long_does_no_harm(server: Server, fetch: Fetch) -> None:
    def lie(handler: Handler, number: int) -> bool:
        handler.send(BODY, claimed=len(BODY) + 1000)
        return True

    server.answer = lie
    assert fetch(server.url) == BODY, "the checksum counts, not the length"


def test_a_stated_length_that_is_too_short_is_detected(server: Server, fetch: Fetch) -> None:
    def lie(handler: Handler, number: int) -> bool:
        handler.send(BODY, claimed=1000)
        return True

    server.answer = lie
    assert "another file" in fetch.fails(server.url)
    assert not fetch.part.exists()


def test_a_file_with_another_checksum_is_removed(server: Server, fetch: Fetch) -> None:
    server.body = b"<html>please log in</html>"
    message = fetch.fails(server.url)
    assert DIGEST in message
    assert not fetch.part.exists()
    assert len(server.requested_ranges) == 1


def test_a_part_of_another_file_is_downloaded_again(server: Server, fetch: Fetch) -> None:
    fetch.part.parent.mkdir(parents=True)
    fetch.part.write_bytes(b"x" * 50_000)
    assert fetch(server.url) == BODY
    assert server.requested_ranges == ["bytes=50000-", None]


@pytest.mark.parametrize("digest", [DIGEST, ""])
def test_a_complete_part_is_used(server: Server, fetch: Fetch, digest: str) -> None:
    fetch.part.parent.mkdir(parents=True)
    fetch.part.write_bytes(BODY)
    assert fetch(server.url, digest) == BODY
    assert server.requested_ranges == [f"bytes={len(BODY)}-"]


def test_a_part_that_is_too_long_is_removed(server: Server, fetch: Fetch) -> None:
    fetch.part.parent.mkdir(parents=True)
    fetch.part.write_bytes(BODY + b"more")
    assert fetch(server.url) == BODY
    assert server.requested_ranges[-1] is None


def test_a_wrong_range_is_not_appended(server: Server, fetch: Fetch) -> None:
    def shifted(handler: Handler, number: int) -> bool:
        if number > 1:
            return False
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes 7-{len(BODY) - 1}/{len(BODY)}")
        handler.send_header("Content-Length", str(len(BODY) - 7))
        handler.end_headers()
        return True

    server.answer = shifted
    fetch.part.parent.mkdir(parents=True)
    fetch.part.write_bytes(BODY[:100])
    assert fetch(server.url) == BODY


def test_a_busy_server_is_retried_at_growing_intervals(server: Server, fetch: Fetch) -> None:
    def busy(handler: Handler, number: int) -> bool:
        if number < 4:
            handler.send_error(503)
        return number < 4

    server.answer = busy
    assert fetch(server.url) == BODY
    assert fetch.pauses == [1, 2, 4]


def test_after_five_fruitless_tries_the_part_is_kept(server: Server, fetch: Fetch) -> None:
    def stop(handler: Handler, number: int) -> bool:
        if number == 1:
            handler.send(BODY, stop=10_000)
        else:
            handler.send_error(500)
        return True

    server.answer = stop
    message = fetch.fails(server.url)
    assert "500" in message
    assert "10,000 bytes are kept" in message
    assert len(server.requested_ranges) == 6
    assert fetch.part.read_bytes() == BODY[:10_000]


def test_a_missing_file_is_not_retried(server: Server, fetch: Fetch) -> None:
    server.answer = lambda handler, number: handler.send_error(404) or True
    with pytest.raises(WeightsError, match="404 Not Found") as raised:
        fetch(server.url)
    assert raised.value.setting == "mirror"
    assert len(server.requested_ranges) == 1


def test_redirections_are_followed_to_http_only(
    server: Server, fetch: Fetch, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("mine")
    places = {"/file.bin": server.url + "2", "/file.bin2": "", "/loop": "/loop"}
    places |= {"/evil": (tmp_path / "secret").as_uri(), "/ftp": "ftp://127.0.0.1/file.bin"}

    def redirect(handler: Handler, number: int) -> bool:
        if not places[handler.path]:
            return False
        handler.send_response(302)
        handler.send_header("Location", places[handler.path])
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return True

    server.answer = redirect
    assert fetch(server.url) == BODY
    fetch.target.unlink()
    assert "302" in fetch.fails(server.url.replace("file.bin", "loop"))
    assert "not allowed" in fetch.fails(server.url.replace("file.bin", "evil"))
    with pytest.raises(SettingsError) as raised:
        fetch(server.url.replace("file.bin", "ftp"))
    assert raised.value.value == "ftp://127.0.0.1/file.bin"


def test_the_environments_proxy_is_used(
    server: Server, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url.removesuffix("/file.bin"))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    seen: list[str] = []
    server.answer = lambda handler, number: seen.append(handler.path) is not None
    assert fetch("http://weights.invalid/file.bin") == BODY
    assert seen == ["http://weights.invalid/file.bin"]


def test_a_file_larger_than_the_limit_is_refused(server: Server, fetch: Fetch) -> None:
    server.answer = lambda handler, number: handler.send(BODY, claimed=10**14) or True
    assert "claims 100,000,000,000,000 bytes" in fetch.fails(server.url)

    def endless(handler: Handler, number: int) -> bool:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(BODY)
        return True

    server.answer = endless
    assert "grew past 1,000" in fetch.fails(server.url, max_bytes=1000)


def test_a_full_disk_is_reported_before_the_download(server: Server, fetch: Fetch) -> None:
    with pytest.raises(OutputError, match=r"room for 5 bytes.*128,000"):
        fetch(server.url, free_bytes=lambda folder: 5)
    assert not fetch.part.exists()


def test_unreachable_and_invalid_addresses_are_refused(fetch: Fetch) -> None:
    assert "cannot be downloaded" in fetch.fails("http://127.0.0.1:9/file.bin")
    assert len(fetch.pauses) == 4
    for url in ("file:///etc/passwd", "ftp://a/b", "weights.pth", "http://"):
        with pytest.raises(SettingsError) as raised:
            fetch(url)
        assert (raised.value.setting, raised.value.value) == ("mirror", url)


def test_two_processes_do_not_download_the_same_file(server: Server, fetch: Fetch) -> None:
    fetch.part.parent.mkdir(parents=True)
    lock = FileLock(fetch.part.with_name(fetch.part.name + ".lock"))
    with lock, pytest.raises(OutputError, match="by another process"):
        fetch(server.url)
    assert fetch(server.url) == BODY
