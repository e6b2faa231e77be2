"""Files that are there whole or not at all, after a kill and a power cut too."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dreamflow.core.errors import OutputError

PART_PREFIX = "part."
DISK_FULL_ERRNOS = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}


def sync_to_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk and not only on their way."""
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR
    # Windows opens no folders, and some network drives cannot wait.
    with contextlib.suppress(OSError):
        file = os.open(path, flags)
        try:
            os.fsync(file)
        finally:
            os.close(file)


def part_path(path: Path) -> Path:
    """Return the name that a file has until it is whole: of this process alone.

    An ffmpeg whose master was killed lives on for a moment, and writes what it has.
    """
    return path.with_name(f"{PART_PREFIX}{os.getpid()}.{path.name}")


def remove_parts(folder: Path) -> None:
    """Remove what was left half-written in a folder."""
    for path in folder.glob(f"{PART_PREFIX}*"):
        with contextlib.suppress(OSError):  # Windows: someone is still writing
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Give a name to write to; once the block is done that file, on the disk, replaces `path`.

    Nothing is left where the block fails. Raises OutputError where the disk is full, or the file
    cannot be written.
    """
    part = part_path(path)
    try:
        yield part
        sync_to_disk(part)
        part.replace(path)
        sync_to_disk(path.parent)
    except OSError as error:
        raise make_write_error(path, error) from error
    finally:
        part.unlink(missing_ok=True)


def make_write_error(path: Path, error: OSError) -> OutputError:
    """Return the error of a file that cannot be written; of a full disk, with what to do."""
    if error.errno in DISK_FULL_ERRNOS:
        return OutputError(disk_full_message(path))
    return OutputError(f"{path} cannot be written: {error.strerror or error}")


def disk_full_message(path: Path) -> str:
    """Return that there is no room for a file, and where to make some."""
    folder = path.absolute().parent
    left = ""
    with contextlib.suppress(OSError):
        left = f" ({shutil.disk_usage(folder).free / 1e6:.0f} MB left)"
    return f"the disk is full: free some space on the one that holds {folder}{left}"
