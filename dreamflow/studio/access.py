"""Who may use the page: whoever has its token, from its own address, and no other site's page."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from html import escape
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from dreamflow.studio.files.uploads import MAX_UPLOAD_BYTES

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

TOKEN_PARAMETER = "token"
LOGIN_PATH = "/login"
MAX_LOGIN_BYTES = 4096
"""Bytes of a form with a password at most."""
MAX_BODY_BYTES = MAX_UPLOAD_BYTES + 2**16
"""Bytes of a request at most: a file, and what a form adds to it."""
LOGIN_DELAY_S = 1.0
"""Seconds that a wrong password takes."""
LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")
OTHER_SITES = (b"cross-site", b"same-site")
"""Values of Sec-Fetch-Site where a page of another site or port has caused a request."""
CONTENT_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'; object-src 'none'"
)
"""Content-Security-Policy of every answer: nothing is loaded from elsewhere. The page's library
compiles its templates in the browser, which is called unsafe-eval."""


def make_token() -> str:
    """Return a secret for an address."""
    return secrets.token_urlsafe(24)


class AccessGuard:
    """Middleware that lets requests and websockets through only from the studio's own page.

    A request needs the cookie that the address with the token sets, or the right password. Its
    Host must be one of the studio's names, so that no other name can be made to lead here (DNS
    rebinding); its Origin, if it has one, must be the Host; and a browser must not say that another
    site's page has caused it (CSRF).
    """

    def __init__(
        self,
        app: App,
        *,
        token: str,
        port: int,
        hosts: Iterable[str] = (),
        password: str | None = None,
    ) -> None:
        """Guard an application.

        Args:
            app: The application.
            token: The secret in its address.
            port: The port that it is served at.
            hosts: Names besides this machine's own that it is served at; "*" for any.
            password: What is asked for without a token; None: nothing is.
        """
        self._app, self._token, self._password = app, token, password
        self._cookie = f"dreamflow-studio-{port}"
        names = [*LOCAL_HOSTS, *hosts]
        self._hosts = None if "*" in names else {f"{name}:{port}" for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = dict(scope.get("headers", ()))
        if problem := self._find_problem(headers):
            await _refuse(scope, receive, send, problem)
        elif self._has_cookie(headers):
            await self._app(scope, receive, _with_policy(send))
        elif scope["type"] == "http" and self._has_token(scope):
            await self._let_in(send)
        elif scope["type"] == "http" and self._password is not None:
            await self._log_in(scope, receive, send)
        else:
            await _refuse(
                *(scope, receive, send),
                "open the address that `dreamflow studio` has printed, token included",
            )

    def _find_problem(self, headers: dict[bytes, bytes]) -> str:
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if self._hosts is not None and host not in self._hosts:
            return "this is not the studio's address"
        origin = headers.get(b"origin")
        if origin is not None and urlsplit(origin.decode("latin-1")).netloc.lower() != host:
            return "a page of another site asks for this"
        if headers.get(b"sec-fetch-site") in OTHER_SITES:
            return "a page of another site asks for this"
        return "" if _is_bounded(headers) else "this is more than may be sent at once"

    def _has_cookie(self, headers: dict[bytes, bytes]) -> bool:
        jar: SimpleCookie = SimpleCookie()
        try:
            jar.load(headers.get(b"cookie", b"").decode("latin-1"))
        except CookieError:
            return False
        return self._cookie in jar and _equal(jar[self._cookie].value, self._token)

    def _has_token(self, scope: Scope) -> bool:
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get(TOKEN_PARAMETER, [])
        return scope["method"] == "GET" and any(_equal(one, self._token) for one in given)

    async def _let_in(self, send: Send) -> None:
        """Keep the token in a cookie, and lead to the page, whose address has no secret."""
        cookie = f"{self._cookie}={self._token}; Path=/; HttpOnly; SameSite=Strict"
        headers = [(b"location", b"/"), (b"set-cookie", cookie.encode())]
        await _answer(send, 303, "", headers)

    async def _log_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask for the password, and let in whoever has it."""
        if scope["method"] == "POST" and scope["path"] == LOGIN_PATH:
            given = parse_qs(await _read_body(receive)).get("password", [""])[0]
            if _equal(given, self._password or ""):
                await self._let_in(send)
                return
            await asyncio.sleep(LOGIN_DELAY_S)
        form = (
            f'<form method="post" action="{LOGIN_PATH}"><label>Password of the studio '
            '<input type="password" name="password" autofocus></label> <button>Open</button></form>'
        )
        await _answer(send, 401, _page(form))


def _is_bounded(headers: dict[bytes, bytes]) -> bool:
    """Return whether a request says how long its body is, and that is not too long."""
    if b"transfer-encoding" in headers:
        return False
    length = headers.get(b"content-length", b"0").decode("latin-1")
    return length.isdecimal() and int(length) <= MAX_BODY_BYTES


def _equal(given: str, wanted: str) -> bool:
    return bool(wanted) and hmac.compare_digest(given.encode(), wanted.encode())


async def _read_body(receive: Receive) -> str:
    body = b""
    while len(body) <= MAX_LOGIN_BYTES:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    return body[:MAX_LOGIN_BYTES].decode("utf-8", "replace")


async def _refuse(scope: Scope, receive: Receive, send: Send, reason: str) -> None:
    if scope["type"] == "websocket":
        await receive()  # its request to be opened
        await send({"type": "websocket.close", "code": 4403, "reason": ""})
        return
    await _answer(send, 403, _page(f"<p>{escape(reason)}.</p>"))


def _page(body: str) -> str:
    return (
        '<!doctype html><meta charset="utf-8"><title>DreamFlow studio</title>'
        '<meta name="viewport" content="width=device-width"><style>body{background:#0d0e11;'
        "color:#ece8df;font:16px/1.5 system-ui;padding:3rem}</style>" + body
    )


async def _answer(
    send: Send, status: int, text: str, headers: list[tuple[bytes, bytes]] | None = None
) -> None:
    body = text.encode()
    common = [
        (b"content-type", b"text/html; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        (b"content-security-policy", CONTENT_POLICY.encode()),
    ]
    await send(
        {"type": "http.response.start", "status": status, "headers": common + (headers or [])}
    )
    await send({"type": "http.response.body", "body": body})


def _with_policy(send: Send) -> Send:
    """Return a `send` that adds the policy of content, and keeps addresses from other sites."""

    async def send_with_policy(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [
                *message.get("headers", []),
                (b"content-security-policy", CONTENT_POLICY.encode()),
                (b"referrer-policy", b"no-referrer"),
                (b"x-content-type-options", b"nosniff"),
                (b"cross-origin-resource-policy", b"same-origin"),
            ]
        await send(message)

    return send_with_policy
