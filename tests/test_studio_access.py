"""Who is let in: the token, the host, the origin, other sites' pages, the password."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import urlencode

import pytest

from dreamflow.studio.access import AccessGuard, App

TOKEN, PORT = "the-secret", 8099
HOST = f"127.0.0.1:{PORT}"


class Response:
    def __init__(self, messages: list[MutableMapping[str, Any]]) -> None:
        self.kinds = [message["type"] for message in messages]
        self.status = messages[0].get("status", 0)
        self.headers = {name: value for name, value in messages[0].get("headers", [])}
        self.body = b"".join(message.get("body", b"") for message in messages)


async def page(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"the page"})


def ask(
    guard: App,
    path: str = "/",
    query: str = "",
    *,
    method: str = "GET",
    kind: str = "http",
    body: bytes = b"",
    **headers: str,
) -> Response:
    given = {"host": HOST} | {name.replace("_", "-"): value for name, value in headers.items()}
    scope = {
        "type": kind,
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in given.items()],
    }
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": f"{kind}.request", "body": body}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    asyncio.run(guard(scope, receive, send))
    return Response(sent)


@pytest.fixture
def guard() -> App:
    return AccessGuard(page, token=TOKEN, port=PORT)


@pytest.fixture
def cookie(guard: App) -> str:
    let_in = ask(guard, query=f"token={TOKEN}")
    return let_in.headers[b"set-cookie"].decode().partition(";")[0]


def test_the_token_lets_in_and_leaves_the_address(guard: App, cookie: str) -> None:
    let_in = ask(guard, query=f"token={TOKEN}")
    assert (let_in.status, let_in.headers[b"location"]) == (303, b"/")
    flags = let_in.headers[b"set-cookie"].decode()
    assert "HttpOnly" in flags
    assert "SameSite=Strict" in flags
    assert ask(guard, cookie=cookie).body == b"the page"
    assert ask(guard, kind="websocket", cookie=cookie).kinds == ["websocket.accept"]


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"cookie": "dreamflow-studio-8099=wrong"},
        {"cookie": "dreamflow-studio-8099="},
        {"cookie": "other=the-secret"},
        {"cookie": "\\xff=;;=;"},
        {"host": "evil.example", "cookie": "good"},
        {"host": "127.0.0.1:1", "cookie": "good"},
        {"host": "", "cookie": "good"},
        {"origin": "http://evil.example", "cookie": "good"},
        {"origin": "http://127.0.0.1:9999", "cookie": "good"},
        {"origin": "null", "cookie": "good"},
        {"sec_fetch_site": "cross-site", "cookie": "good"},
        {"sec_fetch_site": "same-site", "cookie": "good"},
    ],
)
def test_others_are_refused(guard: App, cookie: str, kind: str, headers: dict[str, str]) -> None:
    given = headers | ({"cookie": cookie} if headers.get("cookie") == "good" else {})
    refused = ask(guard, kind=kind, **given)
    assert refused.status == 403 or refused.kinds == ["websocket.close"]
    assert b"the page" not in refused.body


@pytest.mark.parametrize("query", ["token=", "token=wrong", "token", "tok=the-secret", ""])
def test_a_wrong_token_is_refused(guard: App, query: str) -> None:
    refused = ask(guard, query=query)
    assert refused.status == 403
    assert b"set-cookie" not in refused.headers
    assert ask(guard, query=f"token={TOKEN}", method="POST").status == 403


def test_its_own_page_may_post(guard: App, cookie: str) -> None:
    own = {"cookie": cookie, "origin": f"http://{HOST}", "sec_fetch_site": "same-origin"}
    assert ask(guard, method="POST", **own).body == b"the page"


@pytest.mark.parametrize(
    "headers",
    [
        {"content_length": str(2**40)},
        {"content_length": "-1"},
        {"content_length": "many"},
        {"transfer_encoding": "chunked"},
    ],
)
def test_what_is_sent_is_bounded(guard: App, cookie: str, headers: dict[str, str]) -> None:
    assert ask(guard, method="POST", cookie=cookie, content_length="9").body == b"the page"
    assert ask(guard, method="POST", cookie=cookie, **headers).status == 403


def test_nothing_is_loaded_from_elsewhere(guard: App, cookie: str) -> None:
    policy = ask(guard, cookie=cookie).headers[b"content-security-policy"].decode()
    assert "default-src 'self'" in policy
    assert "http" not in policy
    assert "frame-ancestors 'none'" in policy


def test_another_host_asks_for_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dreamflow.studio.access.LOGIN_DELAY_S", 0)
    guard = AccessGuard(page, token=TOKEN, port=PORT, hosts=["*"], password="long & wide")
    there = {"host": "studio.local:8099", "origin": "http://studio.local:8099"}
    assert ask(guard, host="studio.local:8099").status == 401

    def log_in(password: str, **more: str) -> Response:
        form = urlencode({"password": password}).encode()
        return ask(guard, "/login", method="POST", body=form, **(there | more))

    assert log_in("wrong").status == 401
    assert log_in("").status == 401
    let_in = log_in("long & wide")
    assert let_in.status == 303
    cookie = let_in.headers[b"set-cookie"].decode().partition(";")[0]
    assert ask(guard, host="studio.local:8099", cookie=cookie).body == b"the page"
    assert log_in("long & wide", origin="http://evil.example").status == 403
    huge = ask(guard, "/login", method="POST", body=b"password=" + b"x" * 100_000, **there)
    assert huge.status == 401
