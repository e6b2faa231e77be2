"""The file of the queue: read and written whole, and never taken from under its editor's hands."""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from dreamflow.core.errors import DreamFlowError
from dreamflow.core.files.documents import DocumentError, fit_schema, parse_json
from dreamflow.core.files.regular_file import read_file_text
from dreamflow.media.files.atomic_file import atomic_write
from dreamflow.studio.files.file_stamp import FileStamp, stamp_path
from dreamflow.studio.films.queue_document import (
    MAX_RENDERS,
    QueueDocument,
    QueuedRender,
    check_queued_settings,
)

QUEUE_FILE = "queue.json"
SETTLED_S = 0.3
"""Seconds after which what another program writes is taken to be whole."""
MAX_TOLD = 3
"""Problems of a damaged file that are told."""


class _LooseDocument(Struct, frozen=True):
    """The file before its films are looked at, one by one."""

    renders: Annotated[list[Any], Meta(max_length=MAX_RENDERS)]
    is_paused: bool = False


class QueueFile:
    """The file, which one studio at a time has.

    Attributes:
        path: Where it is.
    """

    def __init__(self, folder: Path) -> None:
        """Name that of a folder; `read` comes first."""
        self.path = folder / QUEUE_FILE
        self._seen: FileStamp | None = None
        self._untold = ""

    def read(self) -> tuple[QueueDocument, list[str]]:
        """Return the queue, and lines on what was wrong with it.

        A damaged file is put aside; of its films those stay that are whole.
        """
        if not self.path.exists():
            return QueueDocument([]), []
        problems: list[str] = []
        try:
            found = fit_schema(parse_json(read_file_text(self.path)), _LooseDocument)
        except (OSError, UnicodeError, DocumentError) as error:
            found, problems = _LooseDocument([]), [str(error)]
        renders: list[QueuedRender] = []
        for number, raw in enumerate(found.renders, start=1):
            try:
                render = fit_schema(raw, QueuedRender)
                check_queued_settings(render)
                if any(render.key == one.key for one in renders):
                    raise DocumentError("it has the key of another one")
                renders.append(render)
            except (DocumentError, DreamFlowError) as error:
                problems.append(f"film {number}: {error}")
        document = QueueDocument(renders, found.is_paused)
        if not problems:
            self._seen = stamp_path(self.path)
            return document, []
        aside = self._find_place("damaged")
        self.path.replace(aside)
        if renders:
            self.write(document)
        told = "; ".join(problems[:MAX_TOLD])
        return document, [f"the queue was damaged, and is put aside as {aside}: {told}"]

    def write(self, document: QueueDocument) -> None:
        """Write the queue; what another program has written there is put aside first.

        Raises:
            OutputError: It cannot be written.
        """
        if self._is_edited():
            self._put_aside()
        with atomic_write(self.path) as part:
            content = msgspec.to_builtins(document)
            part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        self._seen = stamp_path(self.path)

    def look_for_edits(self) -> str:
        """Put the file aside where another program has changed it; returns a line on it.

        "" where it is as this one has left it, or is still being written.
        """
        if self._is_edited():
            with contextlib.suppress(OSError):
                if time.time() - self.path.stat().st_mtime > SETTLED_S:
                    self._put_aside()
        told, self._untold = self._untold, ""
        return told

    def _is_edited(self) -> bool:
        now = stamp_path(self.path)
        return now is not None and self._seen is not None and now != self._seen

    def _put_aside(self) -> None:
        aside = self._find_place("edited")
        with contextlib.suppress(OSError):
            shutil.copyfile(self.path, aside)
        self._seen = stamp_path(self.path)
        self._untold = (
            f"{self.path.name} was edited while the studio had it: what was edited is kept as "
            f"{aside}; end the studio before you edit its queue"
        )

    def _find_place(self, what: str) -> Path:
        """Return a path beside the file where nothing is yet."""
        aside, number = self.path.with_suffix(f".{what}.json"), 1
        while aside.exists():
            number += 1
            aside = self.path.with_suffix(f".{what}-{number}.json")
        return aside
