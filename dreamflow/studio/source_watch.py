"""Sees when the source that is open changes on the disk, or goes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dreamflow.core.errors import DreamFlowError
from dreamflow.studio.files.file_stamp import FileStamp, stamp_path
from dreamflow.studio.project import describe_error
from dreamflow.studio.source import SourceFacts, read_source_facts

POLL_S = 1.0
"""Seconds between two looks at the source; what is still being written differs in the next."""


@dataclass(frozen=True)
class SourceNews:
    """What has become of a source.

    Attributes:
        path: The source.
        facts: Its new facts; None where it cannot be opened, or is as it was.
        note: A line on it; "" where it is as it was.
    """

    path: Path
    facts: SourceFacts | None = None
    note: str = ""


class SourceWatch:
    """Looks at one source, in a thread."""

    def __init__(self, on_news: Callable[[SourceNews], None], poll_s: float = POLL_S) -> None:
        """Look at none yet; what is given is called by the thread."""
        self._on_news, self._poll_s = on_news, poll_s
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._path: Path | None = None
        self._opened: FileStamp | None = None
        self._told: FileStamp | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it."""
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def follow(self, path: Path) -> None:
        """Look at a source that has just been opened, in place of the one before."""
        with self._lock:
            self._path = path
            self._opened = self._told = stamp_path(path)

    def _run(self) -> None:
        seen: FileStamp | None = None
        while not self._ended.wait(self._poll_s):
            with self._lock:
                path, told = self._path, self._told
            if path is None:
                continue
            now = stamp_path(path)
            if now != told and now == seen:  # it is not being written any more
                self._tell(path, now)
            seen = now

    def _tell(self, path: Path, now: FileStamp | None) -> None:
        with self._lock:
            if path != self._path:
                return
            self._told, is_as_it_was = now, now == self._opened
        if is_as_it_was:
            self._on_news(SourceNews(path))
        elif now is None:
            note = f"{path.name} is gone from the disk: put it back, or open another one"
            self._on_news(SourceNews(path, note=note))
        else:
            self._on_news(_open_anew(path))


def _open_anew(path: Path) -> SourceNews:
    try:
        facts = read_source_facts(path)
    except DreamFlowError as error:
        return SourceNews(path, note=f"{path.name} has changed: {describe_error(error)}")
    return SourceNews(path, facts, f"{path.name} has changed on the disk, and is opened anew")
