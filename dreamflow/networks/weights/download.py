"""Downloading a weights file over HTTP: resumable, and published under its name only when verified.

Bytes are written to `NAME.part` beside the target until the file is complete and its checksum is
right; a download that was interrupted resumes there. Proxies are taken from the environment
(`https_proxy`, `no_proxy`), as by curl.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from filelock import FileLock, Timeout

from dreamflow.core.errors import OutputError
from dreamflow.networks.weights.file_download import (
    DOWNLOAD_TIMEOUT_S,
    MAX_DOWNLOAD_S,
    DownloadProgressCallback,
    FileDownload,
)
from dreamflow.networks.weights.http_address import check_http_url
from dreamflow.networks.weights.registry import WeightsSource


def download_file(
    source: WeightsSource,
    target: Path,
    on_progress: DownloadProgressCallback = lambda done, total: None,
    *,
    url: str | None = None,
    timeout: float = DOWNLOAD_TIMEOUT_S,
    sleep: Callable[[float], object] = time.sleep,
    max_bytes: int | None = None,
    max_seconds: float = MAX_DOWNLOAD_S,
    free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
) -> None:
    """Download a file, resuming what an earlier call has left.

    Args:
        source: Of the file.
        target: Path that it gets.
        on_progress: Called as bytes arrive.
        url: Of a mirror that has the same file, instead of the source's own address. A name and
            password in it are sent to its server, and never shown.
        timeout: Seconds after which a try is given up that got no byte, or too few.
        sleep: Waits for that many seconds.
        max_bytes: Largest file that is accepted; None is the source's own limit.
        max_seconds: Time for all tries together.
        free_bytes: Returns the free space of a folder's disk.

    Raises:
        WeightsError: The file cannot be downloaded, or is not the published one.
        OutputError: The file cannot be written, or another process downloads it.
        SettingsError: The address is malformed, or does not begin with http:// or https://.
    """
    url = url or source.url
    check_http_url(url)
    part = target.with_name(target.name + ".part")
    if max_bytes is not None:
        source = replace(source, max_bytes=max_bytes)
    deadline_s = time.monotonic() + max_seconds
    download = FileDownload(url, part, source, on_progress, timeout, sleep, deadline_s, free_bytes)
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
            except KeyboardInterrupt as error:
                if kept := download.describe_part():
                    error.add_note(kept)
                raise
            finally:
                download.remove_useless_part()
                with contextlib.suppress(OSError):  # Windows does not remove open files
                    lock.unlink()
    except Timeout:
        raise OutputError(f"{target.name} is being downloaded by another process") from None
