"""One line on stderr where the process itself crashes, as decoder libraries do on some files.

Python cannot run after a segmentation fault, and a program that waits for the process would change
its signals and its process id. So a shell waits at the end of a pipe: it is told of a crash by
Python's `faulthandler`, whose handler is safe in a signal, and ends with the process otherwise.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import subprocess
from collections.abc import Generator

SHELL = "/bin/sh"
STDERR = 2
"""The file descriptor: `sys.stderr` may be another object."""
WATCH_SCRIPT = """
while IFS= read -r line; do
    case $line in "Fatal Python error: "*)
        if [ -t 2 ]; then printf '\\n\\033[?25h' >&2; fi
        printf "$1\\n" "${line#Fatal Python error: }" >&2
        exit
    esac
done
"""
"""Prints the first argument, a format, with the name of the crash. Shows a terminal's cursor again,
which a progress bar hides."""
MESSAGE = (
    "error: a library crashed (%s), as decoders do on some damaged files; finished frames of a "
    "render are kept: the same command goes on, and if it crashes again, convert the file with "
    "another program first"
)


@contextlib.contextmanager
def crash_line(with_traceback: bool = False) -> Generator[None]:
    """Have a line printed on stderr if the process crashes; nothing where there is no shell.

    The process still ends by the signal of the crash. A `faulthandler` that is enabled already,
    as by `python -X faulthandler`, stays.

    Args:
        with_traceback: Whether `faulthandler` prints tracebacks of all threads instead.
    """
    if with_traceback and not faulthandler.is_enabled():
        faulthandler.enable(STDERR)
    if faulthandler.is_enabled() or not os.access(SHELL, os.X_OK):
        yield
        return
    reading_end, writing_end = os.pipe()
    try:
        watcher = subprocess.Popen(
            [SHELL, "-c", WATCH_SCRIPT, SHELL, MESSAGE],
            stdin=reading_end,
            stdout=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the program
        )
    except OSError:
        os.close(writing_end)
        yield
        return
    finally:
        os.close(reading_end)
    faulthandler.enable(writing_end)
    try:
        yield
    finally:
        faulthandler.disable()
        os.close(writing_end)
        watcher.wait()
