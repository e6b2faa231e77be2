"""The process of a render, which outlives the studio that has started it."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from dreamflow.core.text.path_text import path_from_text
from dreamflow.jobs.storage.folder import is_job_locked, job_folder_path

RENDER_NICENESS = 15
"""Niceness of a render that previews go before: the preview worker has 10."""


def start_render(
    words: Sequence[str], log_path: Path, *, stands_back: bool
) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own, so that it goes on when the studio ends.

    Args:
        words: What follows `dreamflow`.
        log_path: The file that it prints into; one that is there is replaced.
        stands_back: Whether previews go before it.

    Raises:
        OSError: It cannot be started.
    """
    log_path.unlink(missing_ok=True)
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "dreamflow", *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    if stands_back and hasattr(os, "setpriority"):
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, process.pid, RENDER_NICENESS)
    return process


def is_render_alive(pid: int, out: str) -> bool:
    """Return whether a render of a film that an earlier studio began is at work.

    Its process may have ended, and another have its number.
    """
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    # It locks its job only when it has loaded PyTorch; until then its words tell.
    return _has_word(pid, out) or is_job_locked(job_folder_path(path_from_text(out)))


def _has_word(pid: int, word: str) -> bool:
    """Return whether a process has a word in its command line; False where that cannot be seen."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return os.fsencode(path_from_text(word)) in words
