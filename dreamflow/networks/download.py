"""Fetching a weights file over HTTP, so that it is there whole and right, or not at all.

What came is kept beside the target as `NAME.part` until all of it is there and its checksum is
right; a fetch that was cut off, by whomever, goes on where it ended. Proxies are taken from the
environment (`https_proxy`, `no_proxy`), as by curl.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re
import shutil
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from dreamflow.errors import OutputError, SettingsError, WeightsError
from dreamflow.networks.published import Source

TRIES = 5
"""Tries in a row that bring nothing before it is given up."""
MOST_TRIES = 100
PAUSE_S = 1.0
"""Before the second try in a row that brings nothing; doubled for each further one."""
TIMEOUT_S = 30.0
CHUNK_BYTES = 1 << 18
MOST_BYTES = 4 << 30
"""No weights in use are larger; what grows past it is no weights file."""
TRY_AGAIN = (408, 425, 429)
"""What a server says, besides its own faults (5xx), that is worth another try."""

Received = Callable[[int, int | None], object]
"""Called with the bytes that are there and those there will be, or None where nobody knows."""


class _Again(Exception):
    """Why a try came to nothing, where another may not."""


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirections to the web only, never to files."""

    def redirect_request(
        self, req: Any, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        try:
            check_address(newurl)
        except SettingsError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def check_address(url: str) -> None:
    """Raise SettingsError for an address that is not on the web."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise SettingsError(f"{url!r} is no address that begins with http:// or https://")


def download(
    source: Source,
    target: Path,
    received: Received = lambda done, total: None,
    *,
    url: str | None = None,
    timeout: float = TIMEOUT_S,
    pause: Callable[[float], object] = time.sleep,
) -> None:
    """Fetch a source to the target, or raise WeightsError with what went wrong.

    url: of a mirror that has the same file. timeout: seconds without a byte after which a try is
    given up. Raises OutputError where the file cannot be written, SettingsError for an address
    that is not on the web.
    """
    url = url or source.url
    check_address(url)
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{target.parent} cannot be made: {error.strerror}") from error
    lock = part.with_name(part.name + ".lock")
    try:
        with FileLock(lock, timeout=0):
            try:
                _fetch_checked(url, part, source, received, timeout, pause)
                os.replace(part, target)
            finally:
                with contextlib.suppress(OSError):  # Windows removes nothing that is open
                    lock.unlink()
    except Timeout:
        raise OutputError(f"{target.name} is being fetched by another process") from None


def _fetch_checked(
    url: str,
    part: Path,
    source: Source,
    received: Received,
    timeout: float,
    pause: Callable[[float], object],
) -> None:
    """Let a part grow to the whole file, of the right checksum."""
    went_on = part.exists()
    _fetch(url, part, source, received, timeout, pause)
    if not is_right(part, source) and went_on:
        # It may be the beginning of one file and the end of another.
        part.unlink()
        _fetch(url, part, source, received, timeout, pause)
    if not is_right(part, source):
        found = checksum(part, source.algorithm)[: len(source.digest)]
        part.unlink()
        raise WeightsError(
            f"{url} served another file: its {source.algorithm.upper()} is {found}, "
            f"not {source.digest}; nothing was kept"
        )


def is_right(path: Path, source: Source) -> bool:
    """Return whether a file has the published checksum, or none is published."""
    return checksum(path, source.algorithm).startswith(source.digest)


def checksum(path: Path, algorithm: str) -> str:
    """Return a file's checksum in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _fetch(
    url: str,
    part: Path,
    source: Source,
    received: Received,
    timeout: float,
    pause: Callable[[float], object],
) -> None:
    """Let a part grow to the whole file, in as many tries as it takes."""
    fruitless = 0
    for _ in range(MOST_TRIES):
        before = _size(part)
        try:
            _receive(url, part, received, timeout)
            return
        except _Again as error:
            reason = str(error)
        if source.digest and part.exists() and is_right(part, source):
            return  # all is there, whatever the server says of its length
        fruitless = 0 if _size(part) > before else fruitless + 1
        if fruitless == TRIES:
            break
        if fruitless:
            pause(PAUSE_S * 2 ** (fruitless - 1))
    kept = f"; {_size(part):,} bytes are kept: the same command goes on there" * part.exists()
    raise WeightsError(f"{url} cannot be fetched: {reason}{kept}")


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _receive(url: str, part: Path, received: Received, timeout: float) -> None:
    """Ask for what is missing of a part, and append it; raises _Again where it is not all."""
    have = _size(part)
    headers = {"User-Agent": "dreamflow", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    opener = urllib.request.build_opener(_WebOnly)
    try:
        with opener.open(urllib.request.Request(url, headers=headers), timeout=timeout) as response:
            have, total = _where_it_begins(response, have, part)
            _check_room(part, have, total, url)
            have = _append(response, part, have, total, received, url)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have and _whole(error) == have:
            return  # there is nothing behind what we have
        raise _what_it_says(error, url, part) from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise WeightsError(f"{url} cannot be trusted: {error.reason.verify_message}") from None
        raise _Again(str(error.reason)) from None
    except TimeoutError:
        raise _Again(f"nothing came for {timeout:g} s") from None
    except (http.client.HTTPException, OSError, ValueError) as error:
        raise _Again(f"the connection broke ({type(error).__name__})") from None
    if total is not None and have < total:
        raise _Again(f"it ended after {have:,} of {total:,} bytes")


def _where_it_begins(response: Any, have: int, part: Path) -> tuple[int, int | None]:
    """Return how much of the part is kept, and how much there will be."""
    length = response.headers.get("Content-Length")
    rest = int(length) if length and length.isdigit() else None
    if response.status != 206:
        return 0, rest
    span = re.match(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if span is None or int(span[1]) != have:
        part.unlink()
        raise _Again("the server sent another part than was asked for")
    if span[2] != "*":
        return have, int(span[2])
    return have, None if rest is None else have + rest


def _check_room(part: Path, have: int, total: int | None, url: str) -> None:
    if total is None:
        return
    if total > MOST_BYTES:
        raise WeightsError(f"{url} is no weights file: it claims {total:,} bytes")
    free = shutil.disk_usage(part.parent).free
    if total - have > free:
        raise OutputError(
            f"{part.parent} has room for {free:,} bytes, and {total - have:,} are to come"
        )


def _append(
    response: Any, part: Path, have: int, total: int | None, received: Received, url: str
) -> int:
    """Write what comes behind the first `have` bytes of a part, and return how much is there."""
    with _writable(part, have) as file:
        received(have, total)
        while chunk := response.read1(CHUNK_BYTES):
            have += len(chunk)
            if have > MOST_BYTES:
                raise WeightsError(f"{url} is no weights file: it grew past {MOST_BYTES:,} bytes")
            try:
                file.write(chunk)
                file.flush()
            except OSError as error:
                raise OutputError(f"{part} cannot be written: {error.strerror}") from error
            received(have, total)
        os.fsync(file.fileno())
    return have


def _writable(part: Path, have: int) -> IO[bytes]:
    try:
        return part.open("ab" if have else "wb")
    except OSError as error:
        raise OutputError(f"{part} cannot be written: {error.strerror}") from error


def _what_it_says(error: urllib.error.HTTPError, url: str, part: Path) -> Exception:
    """Return the error for a server's refusal: to try again, or not."""
    reason = (str(error.reason).splitlines() or [""])[0]
    said = f"the server says {error.code} {reason}".strip()
    if error.code == 416:  # what we have is of another file
        part.unlink(missing_ok=True)
        return _Again(said)
    if error.code in TRY_AGAIN or error.code >= 500:
        return _Again(said)
    return WeightsError(f"{url} cannot be fetched: {said}; --mirror URL names another place")


def _whole(error: urllib.error.HTTPError) -> int | None:
    """Return how long a file is, as a server tells that has nothing of what was asked for."""
    length = re.match(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
    return int(length[1]) if length else None
