"""Reading whole files: regular ones only, and no more of them than a bound.

A device such as /dev/zero never ends and a named pipe waits for its writer, so neither is opened.
All errors are OSErrors whose `strerror` says what is wrong.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from pathlib import Path

MAX_TEXT_BYTES = 16 << 20
"""Largest text file of settings that is read: a preset, a queue, a record, a list of cuts."""
MAX_TRACE_BYTES = 1 << 30
"""Largest trace that is read: some 700,000 frames."""
MAX_BINARY_BYTES = 1 << 30
"""Largest file that is read whole: the flow of 11,000 x 11,000 pixels, a job's ledger."""
GROWTH_BYTES = 1 << 20
"""Bytes that are read at a time of a file that has more than its size says."""


def open_regular_file(path: Path) -> io.BufferedReader:
    """Open a regular file for reading, without waiting where it is a named pipe.

    Raises:
        OSError: It cannot be opened, or is a folder, device, pipe or socket.
    """
    # Without O_NONBLOCK, opening a pipe waits for its writer; regular files ignore it.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    try:
        _check_mode(os.fstat(descriptor).st_mode, path)
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def check_regular_file(path: Path) -> None:
    """Check a file that a library opens by its name.

    Raises:
        OSError: There is no such file, or it is a folder, device, pipe or socket.
    """
    _check_mode(os.stat(path).st_mode, path)


def _check_mode(mode: int, path: Path) -> None:
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "it is a device or a pipe, not a file", str(path))


def read_file_bytes(path: Path, max_bytes: int = MAX_BINARY_BYTES) -> bytes:
    """Return the content of a regular file.

    Raises:
        OSError: It cannot be read, is no regular file, or has more than `max_bytes`.
    """
    with open_regular_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        # `read` takes the memory that it is asked for; files of /proc are larger than they say.
        content = b"" if size > max_bytes else file.read(size + 1)
        while size < len(content) <= max_bytes and (more := file.read(GROWTH_BYTES)):
            content += more
    if max(size, len(content)) > max_bytes:
        raise OSError(errno.EFBIG, f"it is larger than {max_bytes:,} bytes", str(path))
    return content


def read_file_text(
    path: Path, max_bytes: int = MAX_TEXT_BYTES, encoding: str = "utf-8", errors: str = "strict"
) -> str:
    """Return the text of a regular file, line ends as in the file.

    Raises:
        OSError: See `read_file_bytes`.
        UnicodeDecodeError: It is not text in this encoding.
    """
    return read_file_bytes(path, max_bytes).decode(encoding, errors)
