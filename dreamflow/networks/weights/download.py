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

from dreamflow.core.errors import OutputError, SettingsError, WeightsError
from dreamflow.networks.weights.registry import WeightsSource

MAX_FRUITLESS_TRIES = 5
"""Tries in a row that bring nothing before it is given up."""
MAX_DOWNLOAD_TRIES = 100
FIRST_RETRY_PAUSE_S = 1.0
"""Before the second try in a row that brings nothing; doubled for each further one."""
DOWNLOAD_TIMEOUT_S = 30.0
DOWNLOAD_CHUNK_BYTES = 1 << 18
MAX_WEIGHTS_BYTES = 4 << 30
"""No weights in use are larger; what grows past it is no weights file."""
RETRYABLE_HTTP_STATUSES = (408, 425, 429)
"""What a server says, besides its own faults (5xx), that is worth another try."""

DownloadProgressCallback = Callable[[int, int | None], object]
"""Called with the bytes that are there and those there will be, or None where nobody knows."""


class _RetryableDownloadError(Exception):
    """Why a try came to nothing, where another may not."""


class _HttpOnlyRedirectHandler(urllib.request.HTTPRedirectHandler):
    """Follows redirections to the web only, never to files."""

    def redirect_request(
        self, req: Any, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        try:
            check_http_url(newurl)
        except SettingsError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def check_http_url(url: str) -> None:
    """Raise SettingsError for an address that is not on the web."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise SettingsError(f"{url!r} is no address that begins with http:// or https://")


def download_file(
    source: WeightsSource,
    target: Path,
    on_progress: DownloadProgressCallback = lambda done, total: None,
    *,
    url: str | None = None,
    timeout: float = DOWNLOAD_TIMEOUT_S,
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    """Fetch a source to the target, or raise WeightsError with what went wrong.

    url: of a mirror that has the same file. timeout: seconds without a byte after which a try is
    given up. Raises OutputError where the file cannot be written, SettingsError for an address
    that is not on the web.
    """
    url = url or source.url
    check_http_url(url)
    part = target.with_name(target.name + ".part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{target.parent} cannot be made: {error.strerror}") from error
    lock = part.with_name(part.name + ".lock")
    try:
        with FileLock(lock, timeout=0):
            try:
                _fetch_and_verify(url, part, source, on_progress, timeout, sleep)
                os.replace(part, target)
            finally:
                with contextlib.suppress(OSError):  # Windows removes nothing that is open
                    lock.unlink()
    except Timeout:
        raise OutputError(f"{target.name} is being fetched by another process") from None


def _fetch_and_verify(
    url: str,
    part: Path,
    source: WeightsSource,
    on_progress: DownloadProgressCallback,
    timeout: float,
    sleep: Callable[[float], object],
) -> None:
    """Let a part grow to the whole file, of the right checksum."""
    went_on = part.exists()
    _fetch_with_retries(url, part, source, on_progress, timeout, sleep)
    if not matches_checksum(part, source) and went_on:
        # It may be the beginning of one file and the end of another.
        part.unlink()
        _fetch_with_retries(url, part, source, on_progress, timeout, sleep)
    if not matches_checksum(part, source):
        found = compute_checksum(part, source.algorithm)[: len(source.digest)]
        part.unlink()
        raise WeightsError(
            f"{url} served another file: its {source.algorithm.upper()} is {found}, "
            f"not {source.digest}; nothing was kept"
        )


def matches_checksum(path: Path, source: WeightsSource) -> bool:
    """Return whether a file has the published checksum, or none is published."""
    return compute_checksum(path, source.algorithm).startswith(source.digest)


def compute_checksum(path: Path, algorithm: str) -> str:
    """Return a file's checksum in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def _fetch_with_retries(
    url: str,
    part: Path,
    source: WeightsSource,
    on_progress: DownloadProgressCallback,
    timeout: float,
    sleep: Callable[[float], object],
) -> None:
    """Let a part grow to the whole file, in as many tries as it takes."""
    fruitless = 0
    for _ in range(MAX_DOWNLOAD_TRIES):
        before = _part_size(part)
        try:
            _fetch_remainder(url, part, on_progress, timeout)
            return
        except _RetryableDownloadError as error:
            reason = str(error)
        if source.digest and part.exists() and matches_checksum(part, source):
            return  # all is there, whatever the server says of its length
        fruitless = 0 if _part_size(part) > before else fruitless + 1
        if fruitless == MAX_FRUITLESS_TRIES:
            break
        if fruitless:
            sleep(FIRST_RETRY_PAUSE_S * 2 ** (fruitless - 1))
    kept = f"; {_part_size(part):,} bytes are kept: the same command goes on there" * part.exists()
    raise WeightsError(f"{url} cannot be fetched: {reason}{kept}")


def _part_size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _fetch_remainder(
    url: str, part: Path, on_progress: DownloadProgressCallback, timeout: float
) -> None:
    """Ask for what is missing of a part, and append it; raises _Again where it is not all."""
    have = _part_size(part)
    headers = {"User-Agent": "dreamflow", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    opener = urllib.request.build_opener(_HttpOnlyRedirectHandler)
    try:
        with opener.open(urllib.request.Request(url, headers=headers), timeout=timeout) as response:
            have, total = _parse_resume_range(response, have, part)
            _check_disk_space(part, have, total, url)
            have = _append_body(response, part, have, total, on_progress, url)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and have and _parse_total_bytes(error) == have:
            return  # there is nothing behind what we have
        raise _make_status_error(error, url, part) from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise WeightsError(f"{url} cannot be trusted: {error.reason.verify_message}") from None
        raise _RetryableDownloadError(str(error.reason)) from None
    except TimeoutError:
        raise _RetryableDownloadError(f"nothing came for {timeout:g} s") from None
    except (http.client.HTTPException, OSError, ValueError) as error:
        raise _RetryableDownloadError(f"the connection broke ({type(error).__name__})") from None
    if total is not None and have < total:
        raise _RetryableDownloadError(f"it ended after {have:,} of {total:,} bytes")


def _parse_resume_range(response: Any, have: int, part: Path) -> tuple[int, int | None]:
    """Return how much of the part is kept, and how much there will be."""
    length = response.headers.get("Content-Length")
    rest = int(length) if length and length.isdigit() else None
    if response.status != 206:
        return 0, rest
    span = re.match(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if span is None or int(span[1]) != have:
        part.unlink()
        raise _RetryableDownloadError("the server sent another part than was asked for")
    if span[2] != "*":
        return have, int(span[2])
    return have, None if rest is None else have + rest


def _check_disk_space(part: Path, have: int, total: int | None, url: str) -> None:
    if total is None:
        return
    if total > MAX_WEIGHTS_BYTES:
        raise WeightsError(f"{url} is no weights file: it claims {total:,} bytes")
    free = shutil.disk_usage(part.parent).free
    if total - have > free:
        raise OutputError(
            f"{part.parent} has room for {free:,} bytes, and {total - have:,} are to come"
        )


def _append_body(
    response: Any,
    part: Path,
    have: int,
    total: int | None,
    on_progress: DownloadProgressCallback,
    url: str,
) -> int:
    """Write what comes behind the first `have` bytes of a part, and return how much is there."""
    with _open_part(part, have) as file:
        on_progress(have, total)
        while chunk := response.read1(DOWNLOAD_CHUNK_BYTES):
            have += len(chunk)
            if have > MAX_WEIGHTS_BYTES:
                raise WeightsError(
                    f"{url} is no weights file: it grew past {MAX_WEIGHTS_BYTES:,} bytes"
                )
            try:
                file.write(chunk)
                file.flush()
            except OSError as error:
                raise OutputError(f"{part} cannot be written: {error.strerror}") from error
            on_progress(have, total)
        os.fsync(file.fileno())
    return have


def _open_part(part: Path, have: int) -> IO[bytes]:
    try:
        return part.open("ab" if have else "wb")
    except OSError as error:
        raise OutputError(f"{part} cannot be written: {error.strerror}") from error


def _make_status_error(error: urllib.error.HTTPError, url: str, part: Path) -> Exception:
    """Return the error for a server's refusal: to try again, or not."""
    reason = (str(error.reason).splitlines() or [""])[0]
    said = f"the server says {error.code} {reason}".strip()
    if error.code == 416:  # what we have is of another file
        part.unlink(missing_ok=True)
        return _RetryableDownloadError(said)
    if error.code in RETRYABLE_HTTP_STATUSES or error.code >= 500:
        return _RetryableDownloadError(said)
    return WeightsError(f"{url} cannot be fetched: {said}; --mirror URL names another place")


def _parse_total_bytes(error: urllib.error.HTTPError) -> int | None:
    """Return how long a file is, as a server tells that has nothing of what was asked for."""
    length = re.match(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
    return int(length[1]) if length else None
