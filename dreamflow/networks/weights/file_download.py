"""The tries of a download: each appends to the part what the server sends of the rest."""

from __future__ import annotations

import http
import http.client
import os
import re
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from dreamflow.core.errors import OutputError, SettingsError, WeightsError, named
from dreamflow.networks.weights.checksums import compute_checksum, matches_checksum
from dreamflow.networks.weights.http_address import (
    check_http_url,
    hide_credentials,
    split_credentials,
)
from dreamflow.networks.weights.registry import WeightsSource
from dreamflow.networks.weights.slow_servers import ConnectionWatch

MAX_FRUITLESS_TRIES = 5
"""Tries in a row without a new byte, after which the download fails."""
MAX_DOWNLOAD_TRIES = 100
"""Tries in all."""
FIRST_RETRY_PAUSE_S = 1.0
"""Pause after n tries in a row without a new byte: FIRST_RETRY_PAUSE_S * 2 ** (n - 1)."""
DOWNLOAD_TIMEOUT_S = 30.0
"""Time after which a try is given up that got no byte, or fewer than MIN_DOWNLOAD_BYTES_S."""
MAX_DOWNLOAD_S = 6 * 3600.0
"""Time after which a download is given up, all tries together."""
DOWNLOAD_CHUNK_BYTES = 1 << 18
"""Bytes that are read at a time, at most."""
RETRYABLE_HTTP_STATUSES = (408, 425, 429)
"""HTTP statuses, besides 5xx, after which another try can succeed."""

DownloadProgressCallback = Callable[[int, int | None], object]
"""Called with the bytes received, and the file's size in bytes or None where it is unknown."""


class _RetryableDownloadError(Exception):
    """A try that failed where another may succeed."""


class _TooSlowError(_RetryableDownloadError):
    """A try that was cut, since the server was too slow."""


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


@dataclass(frozen=True)
class FileDownload:
    """The download of one file into `part`; its fields are the arguments of `download_file`.

    Attributes:
        deadline_s: When it is given up, in seconds of `time.monotonic`.
        shown_url: The address without what is secret in it.
    """

    url: str
    part: Path
    source: WeightsSource
    on_progress: DownloadProgressCallback
    timeout: float
    sleep: Callable[[float], object]
    deadline_s: float
    free_bytes: Callable[[Path], int]
    shown_url: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "shown_url", hide_credentials(self.url))

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
                f"{self.shown_url} served another file: its {algorithm.upper()} is {actual}, not "
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
                reason, is_slow = hide_credentials(str(error)), isinstance(error, _TooSlowError)
            is_whole = self.source.digest and self.part.exists()
            if is_whole and matches_checksum(self.part, self.source):
                return  # whatever length the server states
            # One that is too slow may bring bytes in each try, and would go on for ever.
            fruitless = 0 if self._received() > before and not is_slow else fruitless + 1
            if fruitless == MAX_FRUITLESS_TRIES or time.monotonic() >= self.deadline_s:
                break
            if fruitless:
                self.sleep(FIRST_RETRY_PAUSE_S * 2 ** (fruitless - 1))
        kept = self.describe_part()
        raise WeightsError(
            f"{self.shown_url} cannot be downloaded: {reason}{f'; {kept}' if kept else ''}"
        )

    def describe_part(self) -> str:
        """Return which part is kept, and how it is resumed; "" where there is none."""
        received = self._received()
        if not received:
            return ""
        return f"{received:,} bytes are kept in {self.part}: the same command resumes there"

    def remove_useless_part(self) -> None:
        """Remove a part without a byte."""
        if self.part.exists() and not self._received():
            self.part.unlink()

    def _received(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _fetch_remainder(self) -> None:
        """Request the bytes behind the part, and append them.

        Raises _RetryableDownloadError where the part is still incomplete.
        """
        have = self._received()
        url, credentials = split_credentials(self.url)
        headers = {"User-Agent": "dreamflow", "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        request = urllib.request.Request(url, headers=headers)
        if credentials:  # for this server only: a redirection leads to another
            request.add_unredirected_header("Authorization", credentials)
        watch = ConnectionWatch(self.timeout, self.deadline_s)
        opener = urllib.request.build_opener(_HttpOnlyRedirectHandler, *watch.handlers())
        total: int | None = None
        try:
            with watch, opener.open(request, timeout=self.timeout) as response:
                have, total = self._parse_resume_range(response, have)
                self._check_size(have, total)
                have = self._append_body(response, have, total, watch)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 416 and have and _parse_total_bytes(error) == have:
                return  # the part is the complete file
            raise self._make_status_error(error) from None
        except urllib.error.URLError as error:
            if isinstance(error.reason, ssl.SSLCertVerificationError):
                raise WeightsError(
                    f"{self.shown_url} cannot be trusted: {error.reason.verify_message}"
                ) from None
            if watch.reason:
                raise _TooSlowError(watch.reason) from None
            raise _RetryableDownloadError(str(error.reason)) from None
        except TimeoutError:
            raise _RetryableDownloadError(f"nothing came for {self.timeout:g} s") from None
        except (http.client.HTTPException, OSError, ValueError) as error:
            if watch.reason:
                raise _TooSlowError(watch.reason) from None
            name = type(error).__name__
            raise _RetryableDownloadError(f"the connection broke ({name})") from None
        if watch.reason:
            raise _TooSlowError(watch.reason)
        if total is not None and have < total:
            raise _RetryableDownloadError(f"it ended after {have:,} of {total:,} bytes")

    def _parse_resume_range(self, response: Any, have: int) -> tuple[int, int | None]:
        """Return how many bytes of the part to keep, and the size of the file, if it is stated."""
        length = response.headers.get("Content-Length")
        rest = int(length) if length and length.isdigit() else None
        if response.status == 200:
            return 0, rest
        if response.status != 206:
            raise WeightsError(f"{self.shown_url} has no file: {_describe_status(response.status)}")
        if not have:
            raise WeightsError(
                f"{self.shown_url} sent a part of the file (206) where the whole was requested"
            )
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
        if total > self.source.max_bytes:
            self.part.unlink(missing_ok=True)
            raise WeightsError(
                f"{self.shown_url} is not the published file: it claims {total:,} bytes, more than "
                f"{self.source.max_bytes:,}"
            )
        free = self.free_bytes(self.part.parent)
        if total - have > free:
            raise OutputError(
                f"{self.part.parent} has room for {free:,} bytes, but {total - have:,} are to come"
            )

    def _append_body(
        self, response: Any, have: int, total: int | None, watch: ConnectionWatch
    ) -> int:
        """Write the response behind the first `have` bytes of the part; return the part's size."""
        limit = self.source.max_bytes
        with self._open_part(have) as file:
            self.on_progress(have, total)
            while have <= limit and (chunk := response.read1(DOWNLOAD_CHUNK_BYTES)):
                have += len(chunk)
                watch.count(len(chunk))
                try:
                    file.write(chunk)
                    file.flush()
                except OSError as error:
                    raise self._make_write_error(error) from error
                self.on_progress(have, total)
            os.fsync(file.fileno())
        if have > limit:
            self.part.unlink()
            raise WeightsError(
                f"{self.shown_url} is not the published file: it grew past {limit:,} bytes; "
                "nothing was kept"
            )
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
        status = hide_credentials(f"the server says {error.code} {reason}".strip())
        if error.code == 416:  # the part is of another file
            self.part.unlink(missing_ok=True)
            return _RetryableDownloadError(status)
        if error.code in RETRYABLE_HTTP_STATUSES or error.code >= 500:
            return _RetryableDownloadError(status)
        return WeightsError(
            f"{self.shown_url} cannot be downloaded: {status}; "
            f"{named('mirror')} names another address",
            setting="mirror",
            value=self.shown_url,
        )


def _describe_status(code: int) -> str:
    """Return an HTTP status with its meaning: `204 No Content`."""
    try:
        return f"the server says {code} {http.HTTPStatus(code).phrase}"
    except ValueError:
        return f"the server says {code}"


def _parse_total_bytes(error: urllib.error.HTTPError) -> int | None:
    """Return the file's size from the answer to a range that the file does not have."""
    length = re.match(r"bytes \*/(\d+)", error.headers.get("Content-Range", ""))
    return int(length[1]) if length else None
