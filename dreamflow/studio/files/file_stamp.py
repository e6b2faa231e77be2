"""What tells that a file or folder has changed since it was read."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class FileStamp(NamedTuple):
    """What changes when a file or folder does.

    Attributes:
        modified_ns: Its time of modification.
        size: In bytes.
        number: Its inode, which is another where a file was replaced.
        entries: How many entries a folder has; 0 of a file.
    """

    modified_ns: int
    size: int
    number: int
    entries: int


def stamp_path(path: Path) -> FileStamp | None:
    """Return the stamp of a file or folder; None where there is none."""
    try:
        facts = path.stat()
        entries = sum(1 for _ in path.iterdir()) if path.is_dir() else 0
    except OSError:
        return None
    return FileStamp(facts.st_mtime_ns, facts.st_size, facts.st_ino, entries)
