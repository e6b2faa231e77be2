"""Servers that never come to an end, lie about what they send, or are named by odd addresses."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import PATIENCE_S
from hypothesis import given
from hypothesis import strategies as st

from dreamflow.core.errors import SettingsError, WeightsError
from dreamflow.networks.weights.download import download_file
from dreamflow.networks.weights.http_address import check_http_url, hide_credentials
from dreamflow.networks.weights.registry import BUILTIN_NETWORK_WEIGHTS, WeightsSource

BODY = hashlib.sha256(b"seed").digest() * 4000  # 128,000 bytes
DIGEST = hashlib.sha256(BODY).hexdigest()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 128000\r\n\r\n"
Answer = Callable[[socket.socket, threading.Event], None]


@contextmanager
def serve(answer: Answer) -> Iterator[tuple[str, list[bytes]]]:
    """Serve connections raw: `answer` is given each, after its request was read."""
    requests: list[bytes] = []
    ended = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(0.05)

    def handle(connection: socket.socket) -> None:
        with connection:
            try:
                requests.append(connection.recv(65536))
                answer(connection, ended)
            except OSError:
                pass  # the client has hung up

    def accept() -> None:
        handlers: list[threading.Thread] = []
        while True:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                if ended.is_set():  # and all who came before have been let in
                    break
                continue
            connection.settimeout(None)
            handlers.append(threading.Thread(target=handle, args=(connection,)))
            handlers[-1].start()
        for handler in handlers:
            handler.join()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/file.bin", requests
    finally:
        ended.set()
        thread.join()
        listener.close()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def drip(connection: socket.socket, ended: threading.Event, piece: bytes = b"x") -> None:
    while not ended.wait(0.02):
        connection.sendall(piece)


def drip_the_head(connection: socket.socket, ended: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    drip(connection, ended)


def drip_header_lines(connection: socket.socket, ended: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    drip(connection, ended, b"X: y\r\n")


def drip_interim_answers(connection: socket.socket, ended: threading.Event) -> None:
    drip(connection, ended, b"HTTP/1.1 100 Continue\r\n\r\n")


def drip_the_body(connection: socket.socket, ended: threading.Event) -> None:
    connection.sendall(HEAD)
    drip(connection, ended)


def drip_a_chunks_size(connection: socket.socket, ended: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    drip(connection, ended, b"0")


def drip_chunks(connection: socket.socket, ended: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    drip(connection, ended, b"1\r\nx\r\n")


def say_nothing(connection: socket.socket, ended: threading.Event) -> None:
    ended.wait()


def download(url: str, folder: Path, timeout: float = PATIENCE_S, **limits: float) -> bytes:
    target = folder / "file.bin"
    source = WeightsSource("http://127.0.0.1:9/", "file.bin", "sha256", DIGEST, 1 << 20)
    download_file(source, target, url=url, timeout=timeout, sleep=lambda seconds: None, **limits)  # type: ignore[arg-type]
    return target.read_bytes()


@pytest.mark.parametrize(
    "answer",
    [
        *(drip_the_head, drip_header_lines, drip_interim_answers, say_nothing),
        *(drip_the_body, drip_a_chunks_size, drip_chunks),
    ],
)
def test_a_slow_loris_is_given_up_in_a_few_tries(answer: Answer, tmp_path: Path) -> None:
    with serve(answer) as (url, requests), pytest.raises(WeightsError) as raised:
        download(url, tmp_path, timeout=0.1)
    assert len(requests) == 5
    assert "\n" not in str(raised.value)
    kept = list(tmp_path.iterdir())
    assert all(path.stat().st_size and str(path) in str(raised.value) for path in kept)


def test_all_tries_together_have_a_bound(tmp_path: Path) -> None:
    def send_some(connection: socket.socket, ended: threading.Event) -> None:
        connection.sendall(HEAD)
        drip(connection, ended, b"x" * 100)  # fast enough, and without an end in sight

    with serve(send_some) as (url, requests), pytest.raises(WeightsError):
        download(url, tmp_path, timeout=5.0, max_seconds=0.5)
    assert len(requests) == 1


def test_an_endless_body_ends_at_the_published_size(tmp_path: Path) -> None:
    def send_endlessly(connection: socket.socket, ended: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while not ended.is_set():
            connection.sendall(b"x" * 65536)

    with serve(send_endlessly) as (url, requests), pytest.raises(WeightsError):
        download(url, tmp_path)
    assert len(requests) == 1
    assert not list(tmp_path.iterdir()), "what is no weights file is not kept"


def test_every_published_file_has_a_size_that_it_does_not_pass() -> None:
    for weights in BUILTIN_NETWORK_WEIGHTS.values():
        if weights.source is not None:
            assert 0 < weights.source.max_bytes < 100e6


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 0-9/128000\r\n",
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 5-9/10\r\n",
        b"HTTP/1.1 206 Partial Content\r\n",
        b"HTTP/1.1 204 No Content\r\n",
        b"HTTP/1.1 203 Of Another\r\n",
    ],
)
def test_an_answer_that_was_not_asked_for_is_said_at_once(head: bytes, tmp_path: Path) -> None:
    def answer(connection: socket.socket, ended: threading.Event) -> None:
        connection.sendall(head + b"Content-Length: 10\r\n\r\n0123456789")

    with serve(answer) as (url, requests), pytest.raises(WeightsError):
        download(url, tmp_path)
    assert len(requests) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "garbage",
    [
        b"",
        b"\x00" * 100,
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9" + b"9" * 5000 + b"\r\n\r\nxx",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 206 X\r\nContent-Range: bytes 0-9/" + b"9" * 5000 + b"\r\n\r\nxx",
        b"HTTP/1.1 302 Found\r\nLocation: http://[\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://a b/\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:99999/\r\n\r\n",
        b"HTTP/1.1 401 \x1b[31mNo\r\nWWW-Authenticate: Basic\r\n\r\n",
    ],
)
def test_nonsense_ends_in_one_line(garbage: bytes, tmp_path: Path) -> None:
    def answer(connection: socket.socket, ended: threading.Event) -> None:
        connection.sendall(garbage)

    with serve(answer) as (url, _), pytest.raises((WeightsError, SettingsError)) as raised:
        download(url, tmp_path)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "file.bin").exists()


MALFORMED = (
    *("http://", "http:///file", "http://:80/", "http://host:port/", "http://host:99999/x"),
    *("http://host:-1/", "http://[::1/x", "http://ho st/x", "http://host/a b", "http://host/\x00"),
    *("http://host/\n", "http://höst/ä", "http://" + "a" * 70 + ".de/", "http://a..b/", "//host/x"),
    *("file:///etc/passwd", "ftp://host/x", "weights.pth", "", "http://host:0/"),
)


@pytest.mark.parametrize("url", MALFORMED)
def test_a_malformed_address_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(SettingsError) as raised:
        check_http_url(url)
    assert raised.value.setting == "mirror"


@given(st.text(max_size=40).map(lambda text: "http://" + text) | st.text(max_size=40))
def test_any_address_is_checked_without_a_fault(url: str) -> None:
    with contextlib.suppress(SettingsError):
        check_http_url(url)


SECRETS = ("s3cret", "t0ken")


@pytest.mark.parametrize(
    "address",
    [
        "http://user:s3cret@{host}/file.bin?key=t0ken",
        "http://s3cret@{host}/file.bin",
        "http://user:s3cret@{host}/file.bin#t0ken",
    ],
)
def test_what_is_secret_in_an_address_is_sent_but_not_shown(address: str, tmp_path: Path) -> None:
    def refuse(connection: socket.socket, ended: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    with serve(refuse) as (url, requests), pytest.raises(WeightsError) as raised:
        download(address.format(host=url.split("/")[2]), tmp_path)
    error = raised.value
    assert not any(secret in f"{error} {error.value} {error.where}" for secret in SECRETS)
    sent = requests[0].split(b"Authorization: Basic ")[1].split(b"\r\n")[0]
    assert b"s3cret" in base64.b64decode(sent)


def test_credentials_do_not_follow_a_redirection(tmp_path: Path) -> None:
    def send(connection: socket.socket, ended: threading.Event) -> None:
        connection.sendall(HEAD + BODY)

    with serve(send) as (elsewhere, later):

        def redirect(connection: socket.socket, ended: threading.Event) -> None:
            head = f"HTTP/1.1 302 Found\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n"
            connection.sendall(head.encode())

        with serve(redirect) as (url, first):
            assert download(url.replace("//", "//user:s3cret@"), tmp_path) == BODY
    assert b"Authorization" in first[0]
    assert b"Authorization" not in later[0]


@pytest.mark.parametrize("url", MALFORMED)
def test_a_secret_in_a_malformed_address_is_not_shown(url: str) -> None:
    scheme, separator, rest = url.partition("://")
    secret = f"{scheme}://user:s3cret@{rest}" if separator else url
    with pytest.raises(SettingsError) as raised:
        check_http_url(secret + " ")
    assert "s3cret" not in f"{raised.value} {raised.value.value}"


def test_an_address_without_secrets_is_shown_as_it_is() -> None:
    text = "http://host:80/a/b.bin cannot be downloaded: see https://other/x"
    assert hide_credentials(text) == text


def test_a_stopped_download_says_which_part_is_kept(tmp_path: Path) -> None:
    def stop(received: int, total: int | None) -> None:
        if received:
            raise KeyboardInterrupt

    def send(connection: socket.socket, ended: threading.Event) -> None:
        connection.sendall(HEAD + BODY)
        time.sleep(0.1)

    with serve(send) as (url, _):
        source = WeightsSource(url, "file.bin", "sha256", DIGEST)
        with pytest.raises(KeyboardInterrupt) as raised:
            download_file(source, tmp_path / "file.bin", stop)
    assert str(tmp_path / "file.bin.part") in raised.value.__notes__[0]
