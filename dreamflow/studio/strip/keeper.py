"""Has strips made, one source at a time, and keeps those of the sources opened last."""

from __future__ import annotations

import hashlib
import multiprocessing
import shutil
import threading
from collections.abc import Callable
from multiprocessing.context import SpawnProcess
from pathlib import Path

from dreamflow.studio.strip.document import STRIP_FILM, STRIP_SOUND, StripDocument, read_strip
from dreamflow.studio.strip.make import make_strip

MAX_STRIPS = 20
"""Strips that are kept; one of a minute takes a few megabytes."""
POLL_S = 0.3
"""Seconds between two looks at a strip that is being made."""


class StripKeeper:
    """The strip of the source that is open.

    Attributes:
        key: Names the strip's folder; "" where there is none.
        strip: What is known of it.
    """

    def __init__(self, folder: Path, on_change: Callable[[], None]) -> None:
        """Keep strips in a folder; a thread calls what is given when more is known of one."""
        self._folder, self._on_change = folder, on_change
        self.key: str = ""
        self.strip = StripDocument()
        self._process: SpawnProcess | None = None
        self._follower: threading.Thread | None = None

    def open(self, source: Path) -> None:
        """Have the strip of a clip made, unless it is there."""
        key = name_strip(source)
        if key in (self.key, ""):
            return
        self.close()
        self.key, folder = key, self._folder / key
        self.strip = read_strip(folder) or StripDocument()
        if self.strip.is_done and (folder / STRIP_FILM).exists():
            folder.touch()  # the one used longest ago goes first
            self._on_change()
            return
        self._make_room()
        folder.mkdir(parents=True, exist_ok=True)
        self.strip = StripDocument()
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=make_strip, args=(str(source), str(folder)), daemon=True)
        process.start()
        self._process = process
        self._follower = threading.Thread(target=self._follow, args=(process, folder), daemon=True)
        self._follower.start()

    def close(self) -> None:
        """Let go of the strip; one that is being made is ended."""
        process, follower = self._process, self._follower
        self._process = self._follower = None
        if process is not None and follower is not None:
            process.terminate()
            follower.join()  # it alone waits for the process: of two, one would be told too early
        self.key, self.strip = "", StripDocument()

    def find(self, key: str, name: str) -> Path | None:
        """Return a file of the strip that is open; None where there is no such one."""
        names = {f"{number}.jpg" for number in self.strip.thumbnails}
        names |= {STRIP_FILM} if self.strip.is_done else set()
        names |= {STRIP_SOUND} if self.strip.has_sound else set()
        return self._folder / key / name if key == self.key and name in names else None

    def _follow(self, process: SpawnProcess, folder: Path) -> None:
        """Tell what becomes known, until the process has ended."""
        has_ended = False
        while not has_ended:
            process.join(POLL_S)
            has_ended = not process.is_alive()
            strip = read_strip(folder)
            if process is self._process and strip is not None and strip != self.strip:
                self.strip = strip
                self._on_change()

    def _make_room(self) -> None:
        if not self._folder.is_dir():
            return
        kept = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime)
        for old in kept[: max(0, len(kept) - MAX_STRIPS + 1)]:
            shutil.rmtree(old, ignore_errors=True)


def name_strip(source: Path) -> str:
    """Return a name for a source's strip, another one where that has changed; "" of none."""
    try:
        facts = source.stat()
    except OSError:
        return ""
    text = f"{source.resolve()}\0{facts.st_mtime_ns}\0{facts.st_size}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:24]
