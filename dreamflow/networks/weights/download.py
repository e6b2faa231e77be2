"""Downloading a weights file over HTTP: resumable, and published under its name only when verified.

Bytes are written to `NAME.part` beside the target until the file is complete and its checksum is
right; a download that was interrupted resumes there. Proxies are taken from the environment
(`https_proxy`, `no_proxy`), as by curl.
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
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

from dreamflow.core.errors import OutputError, SettingsError, WeightsError, named
from dreamflow.networks.weights.registry import WeightsSource

MAX_FRUITLESS_TRIES = 5
"""Tries in a row without a new byte, after which the download fails."""
MAX_DOWNLOAD_TRIES = 100
"""Tries in all."""
FIRST_RETRY_PAUSE_S = 1.0
"""Pause after n tries in a row without a new byte: FIRST_RETRY_PAUSE_S * 2 ** (n - 1)."""
DOWNLOAD_TIMEOUT_S = 30.0
"""Time without a byte after which a try is given up."""
DOWNLOAD_CHUNK_BYTES = 1 << 18
"""Bytes that are read at a time, at most."""
MAX_WEIGHTS_BYTES = 4 << 30
"""Largest file that is downloaded; no network's weights are larger."""
RETRYABLE_HTTP_STATUSES = (408, 425, 429)
"""HTTP statuses, besides 5xx, after which another try can succeed."""

DownloadProgressCallback = Callable[[int, int | None], object]
"""Called with the bytes received, and the file's size in bytes or None where it is unknown."""


class _RetryableDownloadError(Exception):
    """A try that failed where another may succeed."""


class _HttpOnlyRedirectHandler(urllib.request.HTTPRedirectHandler):
    """Follows redirections to HTTP addresses only, never to files."""

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
    """Raise SettingsError for an address that does not begin with http:// or https://."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise SettingsError(
            f"{url!r} is not an address that begins with http:// or https://",
            setting="mirror",
            value=url,
            allowed="an address that begins with http:// or https://",
        )


def download_file(
    source: WeightsSource,
    target: Path,
    on_progress: DownloadProgressCallback = lambda done, total: None,
    *,
    url: str | None = None,
    timeout: float = DOWNLOAD_TIMEOUT_S,
    sleep: Callable[[float], object] = time.sleep,
    max_bytes: int = MAX_WEIGHTS_BYTES,
    free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
) -> None:
    """Download a file, resuming what an earlier call has left.

    Args:
        source: Of the file.
        target: Path that it gets.
        on_progress: Called as bytes arrive.
        url: Of a mirror that has the same file, instead of the source's own address.
        timeout: Seconds without a byte after which a try is given up.
        sleep: Waits for that many seconds.
        max_bytes: Largest file that is accepted.
        free_bytes: Returns the free space of a folder's disk.

    Raises:
        WeightsError: The file cannot be downloaded, or is not the published one.
        OutputError: The file cannot be written, or another process downloads it.
        SettingsError: The address does not begin with http:// or https://.
    """
    url = url or source.url
    check_http_url(url)
    part = target.with_name(target.name + ".part")
    download = _Download(url, part, source, on_progress, timeout, sleep, max_bytes, free_bytes)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{target.parent} cannot be made: {error.strerror}") from error
    lock = part.with_name(part.name + ".lock")
    try:
        with FileLock(lock, timeout=0):
            try:
                download.fetch_and_verify()
                os.replace(part, target)
            finally:
                with contextlib.suppress(OSError):  # Windows does not remove open files
                    lock.unlink()
    except Timeout:
        raise OutputError(f"{target.name} is being downloaded by another process") from None


def matches_checksum(path: Path, source: WeightsSource) -> bool:
    """Return whether a file has the published checksum, or none is published."""
    return compute_checksum(path, source.algorithm).startswith(source.digest)


def compute_checksum(path: Path, algorithm: str) -> str:
    """Return a file's checksum in hexadecimal; algorithm: a name that hashlib knows."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


@dataclass(frozen=True)
class _Download:
    """The download of one file into `part`; its fields are the arguments of `download_file`."""

    url: str
    part: Path
    source: WeightsSource
    on_progress: DownloadProgressCallback
    timeout: float
    sleep: Callable[[float], object]
    max_bytes: int
    free_bytes: Callable[[Path], int]

    def fetch_and_verify(self) -> None:
        """Let the part grow to the complete file, with the right checksum."""
        is_resumed = self.part.exists()
        self._fetch_with_retries()
        if not matches_checksum(self.part, self.source) and is_resumed:
            # It may be the beginning of one file and the end of another.
            self.part.unlink()
            self._fetch_with_retries()
        if not matches_checksum(self.part, self.source):
            algorithm, digest = self.source.algorithm, self.source.digest
            actual = compute_checksum(self.part, algorithm)[: len(digest)]
            self.part.unlink()
            raise WeightsError(
                f"{self.url} served another file: its {algorithm.upper()} is {actual}, not "
                f"{digest}; nothing was kept"
            )

    def _fetch_with_retries(self) -> None:
        """Let the part grow to the complete file, in as many tries as it takes."""
        fruitless, reason = 0, ""
        for _ in range(MAX_DOWNLOAD_TRIES):
            before = self._received()
            try:
                self._fetch_remainder()
                return
            except _RetryableDownloadError as error:
                reason = str(error)
            is_whole = self.source.digest and self.part.exists()
            if is_whole and matches_checksum(self.part, self.source):
                return  # whatever length the server states
            fruitless = 0 if self._received() > before else fruitless + 1
            if fruitless == MAX_FRUITLESS_TRIES:
                break
            if fruitless:
                self.sleep(FIRST_RETRY_PAUSE_S * 2 ** (fruitless - 1))
        hint = f"; {self._received():,} bytes are kept: the same command resumes there"
        raise WeightsError(
            f"{self.url} cannot be downloaded: {reason}{hint if self.part.exists() else ''}"
        )

    def _received(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _fetch_remainder(self) -> None:
        """Request the bytes behind the part, and append them.

        Raises _RetryableDownloadError where the part is still incomplete.
        """
        url, have = self.url, self._received()
        headers = {"User-Agent": "dreamflow", "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        opener = urllib.request.build_opener(_HttpOnlyRedirectHandler)
        request = urllib.request.Request(url, headers=headers)
        try:
            with opener.open(request, timeout=self.timeout) as response:
                have, total = self._parse_resume_range(response, have)
                self._check_size(have, total)
                have = self._append_body(response, have, total)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416 and have and _parse_total_bytes(error) == have:
                return  # the part is the complete file
            raise self._make_status_error(error) from None
        except urllib.error.URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                raise WeightsError(
                    f"{url} cannot be trusted: {error.reason.verify_message}"
                ) from None
            raise _RetryableDownloadError(str(error.reason)) from None
        except TimeoutError:
            raise _RetryableDownloadError(f"nothing came for {self.timeout:g} s") from None
        except (http.client.HTTPException, OSError, ValueError) as error:
            name = type(error).__name__
            raise _RetryableDownloadError(f"the connection broke ({name})") from None
        if total is not None and have < total:
            raise _RetryableDownloadError(f"it ended after {have:,} of {total:,} bytes")

    def _parse_resume_range(self, response: Any, have: int) -> tuple[int, int | None]:
        """Return how many bytes of the part to keep, and the size of the file, if it is stated."""
        length = response.headers.get("Content-Length")
        rest = int(length) if length and length.isdigit() else None
        if response.status != 206:
            return 0, rest
        span = re.match(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if span is None or int(span[1]) != have:
            self.part.unlink()
            raise _RetryableDownloadError("the server sent another range than was requested")
        if span[2] != "*":
            return have, int(span[2])
        return have, None if rest is None else have + rest

    def _check_size(self, have: int, total: int | None) -> None:
        if total is None:
            return
        if total > self.max_bytes:
            raise WeightsError(f"{self.url} is not a weights file: it claims {total:,} bytes")
        free = self.free_bytes(self.part.parent)
        if total - have > free:
            raise OutputError(
                f"{self.part.parent} has room for {free:,} bytes, but {total - have:,} are to come"
            )

    def _append_body(self, response: Any, have: int, total: int | None) -> int:
        """Write the response behind the first `have` bytes of the part; return the part's size."""
        with self._open_part(have) as file:
            self.on_progress(have, total)
            while chunk := response.read1(DOWNLOAD_CHUNK_BYTES):
                have += len(chunk)
                if have > self.max_bytes:
                    raise WeightsError(
                        f"{self.url} is not a weights file: it grew past {self.max_bytes:,} bytes"
                    )
                try:
                    file.write(chunk)
                    file.flush()
                except OSError as error:
                    raise self._make_write_error(error) from error
                self.on_progress(have, total)
            os.fsync(file.fileno())
        return have

    def _open_part(self, have: int) -> IO[bytes]:
        try:
            return self.part.open("ab" if have else "wb")
        except OSError as error:
            raise self._make_write_error(error) from error

    def _make_write_error(self, error: OSError) -> OutputError:
        return OutputError(f"{self.part} cannot be written: {error.strerror}")

    def _make_status_error(self, error: urllib.error.HTTPError) -> Exception:
        """Return the error for an HTTP status, retryable or not."""
        reason = (str(error.reason).splitlines() or [""])[0]
        status = f"the server says {error.code} {reason}".strip()
        if error.code == 416:  # the part is of another file
            self.part.unlink(missing_ok=True)
            return _RetryableDownloadError(status)
        if error.code in RETRYABLE_HTTP_STATUSES or error.code >= 500:
            return _RetryableDownloadError(status)
        return WeightsError(
            f"{self.url} cannot be downloaded: {status}; {named('mirror')} names another address",
            setting="mirror",
            value=self.url,
        )


def _parse_total_bytes(error: urllib.error.HTTPError) -> int | None:
    """Return the file's size from the answer to a range that the file does not have."""
    length = re.match(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
    return int(length[1]) if length else None
