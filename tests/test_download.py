"""Fetching weights, from a server that does all that servers do."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from filelock import FileLock

from dreamflow.core.errors import OutputError, SettingsError, WeightsError
from dreamflow.networks.weights import download as module
from dreamflow.networks.weights.download import download_file
from dreamflow.networks.weights.registry import WeightsSource

BODY = hashlib.sha256(b"seed").digest() * 4000  # 128,000 bytes
DIGEST = hashlib.sha256(BODY).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves BODY. `answer` may do something else with a request, and says whether it did."""

    daemon_threads = True
    answer: Callable[[BaseHTTPRequestHandler, int], bool] = staticmethod(lambda ask, number: False)
    body = BODY
    ranges = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/file.bin"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up."""


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.close_connection = True
        self.server.asked.append(self.headers.get("Range"))
        if not self.server.answer(self, len(self.server.asked)):
            self.send(self.server.body)

    def send(self, body: bytes, claimed: int | None = None, stop: int | None = None) -> None:
        """Send a body, or what of it is asked for; claim another length, or stop early."""
        wanted, start = self.headers.get("Range"), 0
        if wanted and self.server.ranges:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
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
        """Be silent."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    made = Server()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield made
    made.shutdown()
    made.server_close()
    thread.join()


class Fetch:
    """Fetches without waiting, and keeps what it was told."""

    def __init__(self, folder: Path) -> None:
        self.target = folder / "weights" / "file.bin"
        self.part = self.target.with_name("file.bin.part")
        self.pauses: list[float] = []
        self.told: list[tuple[int, int | None]] = []

    def __call__(self, url: str, digest: str = DIGEST) -> bytes:
        download_file(
            WeightsSource(url, "file.bin", "sha256", digest),
            self.target,
            lambda done, total: self.told.append((done, total)),
            timeout=0.3,
            sleep=self.pauses.append,
        )
        assert not self.part.exists()
        return self.target.read_bytes()

    def fails(self, url: str, digest: str = DIGEST) -> str:
        with pytest.raises(WeightsError) as raised:
            self(url, digest)
        assert not self.target.exists(), "nothing half-fetched under the final name"
        assert "\n" not in str(raised.value)
        return str(raised.value)


@pytest.fixture
def fetch(tmp_path: Path) -> Fetch:
    return Fetch(tmp_path)


def test_a_file_comes_whole_with_progress(server: Server, fetch: Fetch) -> None:
    assert fetch(server.url, DIGEST[:8]) == BODY
    assert fetch.told[0] == (0, len(BODY)) and fetch.told[-1] == (len(BODY), len(BODY))
    assert fetch.told == sorted(fetch.told) and server.asked == [None]


def test_a_connection_that_is_cut_goes_on_where_it_ended(server: Server, fetch: Fetch) -> None:
    def cut(ask: Handler, number: int) -> bool:
        ask.send(BODY, stop=30_000)
        return True

    server.answer = cut
    assert fetch(server.url) == BODY
    assert server.asked[:3] == [None, "bytes=30000-", "bytes=60000-"]
    assert not fetch.pauses, "each try brought something"


def test_a_fetch_that_was_stopped_goes_on(server: Server, fetch: Fetch) -> None:
    fetch.part.parent.mkdir(parents=True)
    fetch.part.write_bytes(BODY[:50_000])
    assert fetch(server.url) == BODY
    assert server.asked == ["bytes=50000-"]


def test_a_server_that_stalls_is_left(server: Server, fetch: Fetch) -> None:
    def stall(ask: Handler, number: int) -> bool:
        if number < 3:
            ask.send(BODY, stop=40_000 if number == 1 else 0)
            ask.wfile.flush()
            time.sleep(0.5)
        return number < 3

    server.answer = stall
    assert fetch(server.url) == BODY
    assert server.asked[1] == "bytes=40000-" and len(fetch.pauses) == 1


def test_a_server_that_knows_no_ranges_is_asked_for_all(server: Server, fetch: Fetch) -> None:
    server.ranges = False
    fetch.part.parent.mkdir(parents=True)
    fetch.part.write_bytes(b"x" * 50_000)
    assert fetch(server.url) == BODY


def test_a_length_that_is_too_long_ends_well(server: Server, fetch: Fetch) -> None:
    def lie(ask: Handler, number: int) -> bool:
        ask.send(BODY, claimed=len(BODY) + 1000)
        return True

    server.answer = lie
    assert fetch(server.url) == BODY, "the checksum knows better"


def test_a_length_that_is_too_short_is_found_out(server: Server, fetch: Fetch) -> None:
    def lie(ask: Handler, number: int) -> bool:
        ask.send(BODY, claimed=1000)
        return True

    server.answer = lie
    assert "another file" in fetch.fails(server.url)
    assert not fetch.part.exists()


def test_wrong_bytes_are_not_kept(server: Server, fetch: Fetch) -> None:
    server.body = b"<html>please log in</html>"
    said = fetch.fails(server.url)
    assert "its SHA256 is" in said and DIGEST in said and "nothing was kept" in said
    assert not fetch.part.exists() and len(server.asked) == 1


def test_the_beginning_of_another_file_is_fetched_anew(server: Server, fetch: Fetch) -> None:
    fetch.part.parent.mkdir(parents=True)
    fetch.part.write_bytes(b"x" * 50_000)
    assert fetch(server.url) == BODY
    assert server.asked == ["bytes=50000-", None]


@pytest.mark.parametrize("digest", [DIGEST, ""])
def test_a_part_that_is_whole_already_is_taken(server: Server, fetch: Fetch, digest: str) -> None:
    fetch.part.parent.mkdir(parents=True)
    fetch.part.write_bytes(BODY)
    assert fetch(server.url, digest) == BODY
    assert server.asked == [f"bytes={len(BODY)}-"]


def test_a_part_that_is_too_long_is_thrown_away(server: Server, fetch: Fetch) -> None:
    fetch.part.parent.mkdir(parents=True)
    fetch.part.write_bytes(BODY + b"more")
    assert fetch(server.url) == BODY
    assert server.asked[-1] is None


def test_a_wrong_range_is_not_appended(server: Server, fetch: Fetch) -> None:
    def shifted(ask: Handler, number: int) -> bool:
        if number > 1:
            return False
        ask.send_response(206)
        ask.send_header("Content-Range", f"bytes 7-{len(BODY) - 1}/{len(BODY)}")
        ask.send_header("Content-Length", str(len(BODY) - 7))
        ask.end_headers()
        return True

    server.answer = shifted
    fetch.part.parent.mkdir(parents=True)
    fetch.part.write_bytes(BODY[:100])
    assert fetch(server.url) == BODY


def test_a_busy_server_is_asked_again_more_and_more_slowly(server: Server, fetch: Fetch) -> None:
    def busy(ask: Handler, number: int) -> bool:
        if number < 4:
            ask.send_error(503)
        return number < 4

    server.answer = busy
    assert fetch(server.url) == BODY
    assert fetch.pauses == [1, 2, 4]


def test_it_gives_up_and_keeps_what_came(server: Server, fetch: Fetch) -> None:
    def stop(ask: Handler, number: int) -> bool:
        if number == 1:
            ask.send(BODY, stop=10_000)
        else:
            ask.send_error(500)
        return True

    server.answer = stop
    said = fetch.fails(server.url)
    assert "500" in said and "10,000 bytes are kept" in said and "same command" in said
    assert len(server.asked) == 6 and fetch.part.read_bytes() == BODY[:10_000]


def test_what_is_not_there_is_said_at_once(server: Server, fetch: Fetch) -> None:
    server.answer = lambda ask, number: ask.send_error(404) or True
    said = fetch.fails(server.url)
    assert "404 Not Found" in said and "--mirror" in said and len(server.asked) == 1


def test_redirections_are_followed_but_not_to_files(
    server: Server, fetch: Fetch, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("mine")
    places = {"/file.bin": server.url + "2", "/file.bin2": "", "/loop": "/loop"}
    places |= {"/evil": (tmp_path / "secret").as_uri(), "/ftp": "ftp://127.0.0.1/file.bin"}

    def redirect(ask: Handler, number: int) -> bool:
        if not places[ask.path]:
            return False
        ask.send_response(302)
        ask.send_header("Location", places[ask.path])
        ask.send_header("Content-Length", "0")
        ask.end_headers()
        return True

    server.answer = redirect
    assert fetch(server.url) == BODY
    fetch.target.unlink()
    assert "302" in fetch.fails(server.url.replace("file.bin", "loop"))
    assert "not allowed" in fetch.fails(server.url.replace("file.bin", "evil"))
    with pytest.raises(SettingsError, match="begins with http"):
        fetch(server.url.replace("file.bin", "ftp"))


def test_a_proxy_of_the_environment_is_used(
    server: Server, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.url.removesuffix("/file.bin"))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    seen: list[str] = []
    server.answer = lambda ask, number: seen.append(ask.path) is not None
    assert fetch("http://weights.invalid/file.bin") == BODY
    assert seen == ["http://weights.invalid/file.bin"]


def test_what_grows_past_all_limits_is_no_weights_file(
    server: Server, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answer = lambda ask, number: ask.send(BODY, claimed=10**14) or True
    assert "claims 100,000,000,000,000 bytes" in fetch.fails(server.url)

    def endless(ask: Handler, number: int) -> bool:
        ask.send_response(200)
        ask.end_headers()
        ask.wfile.write(BODY)
        return True

    server.answer = endless
    monkeypatch.setattr(module, "MAX_WEIGHTS_BYTES", 1000)
    assert "grew past 1,000" in fetch.fails(server.url)


def test_a_full_disk_is_said_before_anything_comes(
    server: Server, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.shutil, "disk_usage", lambda path: type("", (), {"free": 5}))
    with pytest.raises(OutputError, match="room for 5 bytes, and 128,000 are to come"):
        fetch(server.url)


def test_nobody_there_and_no_address(fetch: Fetch) -> None:
    assert "cannot be fetched" in fetch.fails("http://127.0.0.1:9/file.bin")
    assert len(fetch.pauses) == 4
    for url in ("file:///etc/passwd", "ftp://a/b", "weights.pth", "http://"):
        with pytest.raises(SettingsError, match="begins with http"):
            fetch(url)


def test_a_file_is_fetched_by_one_process_at_a_time(server: Server, fetch: Fetch) -> None:
    fetch.part.parent.mkdir(parents=True)
    lock = FileLock(fetch.part.with_name(fetch.part.name + ".lock"))
    with lock, pytest.raises(OutputError, match="being fetched by another process"):
        fetch(server.url)
    assert fetch(server.url) == BODY
