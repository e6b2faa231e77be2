"""Writing files atomically: complete or absent, even after a kill or a power cut."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from dreamflow.core.errors import OutputError

PART_PREFIX = "part."
"""Prefix of the names of unfinished files."""
DISK_FULL_ERRNOS = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)}
DISK_FULL_MESSAGE = "the disk is full"
"""How every error of a full disk begins, or what it holds."""
TEMPORARY_STEM_CHARS = 40
"""Characters of a name's stem that a temporary name keeps, so that it is not too long to be one."""


def sync_to_disk(path: Path) -> None:
    """Flush a file, or a folder's list of names, to the disk (fsync)."""
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR
    # Windows opens no folders, and some network drives cannot wait.
    with contextlib.suppress(OSError):
        file = os.open(path, flags)
        try:
            os.fsync(file)
        finally:
            os.close(file)


def part_path(path: Path) -> Path:
    """Return the name that a file has while it is unfinished; it holds the process id.

    After a kill the old process's ffmpeg still writes for a moment, so two processes must not
    share this name.
    """
    return path.with_name(f"{PART_PREFIX}{os.getpid()}.{path.name}")


def remove_parts(folder: Path) -> None:
    """Remove the unfinished files and folders that lie in a folder."""
    for path in folder.glob(f"{PART_PREFIX}*"):
        with contextlib.suppress(OSError):  # Windows: another process is still writing
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def temporary_path(path: Path, label: str, suffix: str | None = None) -> Path:
    """Return `dream.4711.LABEL.mp4` for `dream.mp4`: beside it, with the process id.

    Args:
        path: The file that the temporary one stands for.
        label: A word in the name.
        suffix: Suffix of the temporary file; None keeps that of `path`.
    """
    name = f"{path.stem[:TEMPORARY_STEM_CHARS]}.{os.getpid()}.{label}"
    return path.with_name(f"{name}{path.suffix if suffix is None else suffix}")


@contextmanager
def atomic_write(path: Path) -> Generator[Path]:
    """Yield a temporary name to write to; after the block that file replaces `path`.

    The file is flushed to the disk first. Nothing remains where the block fails.

    Raises:
        OutputError: The disk is full, or the file cannot be written.
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
        with contextlib.suppress(OSError):  # its folder may have become something else
            part.unlink(missing_ok=True)


@contextmanager
def replace_when_written(path: Path) -> Generator[Path]:
    """Yield a temporary name of the same suffix; after the block that file replaces `path`.

    Unlike `atomic_write` it leaves it to the system when the file reaches the disk: it is for
    pictures, which are many. Nothing remains where the block fails.

    Raises:
        OutputError: The disk is full, or the file cannot be written.
    """
    part = temporary_path(path, "part")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise make_write_error(path, error) from error
    finally:
        part.unlink(missing_ok=True)


def make_write_error(path: Path, error: OSError) -> OutputError:
    """Return the OutputError for a file that cannot be written; a full disk is named as such."""
    if error.errno in DISK_FULL_ERRNOS:
        return OutputError(_disk_full_message(path), where=str(path))
    return OutputError(f"{path} cannot be written: {error.strerror or error}", where=str(path))


def _disk_full_message(path: Path) -> str:
    folder = path.absolute().parent
    left = ""
    with contextlib.suppress(OSError):
        left = f" ({shutil.disk_usage(folder).free / 1e6:.0f} MB left)"
    return f"{DISK_FULL_MESSAGE}: free some space on the one that holds {folder}{left}"
