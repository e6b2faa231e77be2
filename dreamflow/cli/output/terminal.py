"""Messages on stderr: errors and warnings of one line each, with settings worded as flags."""

from __future__ import annotations

import errno
import os
import sys
import traceback
import warnings
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import typer

from dreamflow.cli.output.escaping import UnescapedStderr, escape_line, escape_text
from dreamflow.cli.output.fault_report import write_fault_report
from dreamflow.cli.output.report import describe_error, reports_json, write_report
from dreamflow.core.errors import DreamFlowError, DreamFlowWarning, word_settings
from dreamflow.core.machine.out_of_memory import explain_out_of_memory, is_out_of_memory
from dreamflow.core.options.declaration import flag_of

if TYPE_CHECKING:
    from rich.console import Console

SYSTEM_ERRNOS = frozenset(
    [
        *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EIO, errno.ELOOP),
        *(errno.EMFILE, errno.ENFILE, errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR),
    ]
)
"""What the system refuses a file or folder for, which its user can mend."""
_python_showwarning = warnings.showwarning


@lru_cache(maxsize=1)
def stderr_console() -> Console:
    """Return the console on stderr, which the progress bar and all messages share."""
    from rich.console import Console

    stderr: Any = UnescapedStderr()
    return Console(file=stderr, highlight=False, soft_wrap=True)


def print_labelled(label: str, style: str, message: str) -> None:
    """Print `label: message` on one line of stderr, the label in a style of rich's."""
    if reports_json():
        write_report("note", message=f"{label}: {message}")
        return
    from rich.text import Text

    stderr_console().print(Text.assemble((f"{label}: ", style), escape_line(message)))


def print_error(
    message: str, error: BaseException | None = None, exit_code: int | None = None
) -> None:
    """Print an error on stderr; as JSON with its fields and the exit code of the command."""
    if reports_json():
        fields = {} if error is None else describe_error(error)
        write_report("error", message=message, exit_code=exit_code, **fields)
        return
    print_labelled("error", "bold red", message)


def print_stop(message: str, exit_code: int) -> None:
    """Print that the work was stopped, and what is kept."""
    if reports_json():
        write_report("stopped", message=message, exit_code=exit_code)
    else:
        print_note(message)


def print_note(message: str) -> None:
    """Print a line on stderr that says how the work goes."""
    if reports_json():
        write_report("note", message=message)
    else:
        print_plain(message)


def print_plain(message: str) -> None:
    """Print a line on stderr as it is, whatever is reported: the JSON of a progress."""
    from rich.text import Text

    stderr_console().print(Text(escape_line(message)))


def print_line(message: str) -> None:
    """Print a line of a result on stdout."""
    typer.echo(escape_line(message))


def print_traceback(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    """Print an error with its traceback on stderr; stands in for `sys.excepthook`."""
    print(escape_text("".join(traceback.format_exception(kind, error, trace))), file=sys.stderr)


def word_flags(message: str) -> str:
    """Return a message with the settings that it refers to worded as flags; see `errors.named`."""
    return word_settings(message, flag_of)


def get_worded_notes(error: BaseException) -> list[str]:
    """Return the notes of an error, settings worded as flags."""
    return [word_flags(note) for note in getattr(error, "__notes__", [])]


def word_notes(error: BaseException) -> None:
    """Word the settings in the notes of an error as flags, before its traceback is shown."""
    if notes := get_worded_notes(error):
        error.__notes__ = notes


def format_error(error: BaseException, fallback: str = "") -> str:
    """Return an error's message and notes on one line, settings worded as flags.

    Args:
        error: Any error, or Ctrl-C.
        fallback: The message of an error that has none.
    """
    message = error.worded(flag_of) if isinstance(error, DreamFlowError) else str(error)
    return "; ".join(filter(None, [message or fallback, *get_worded_notes(error)]))


def format_internal_error(error: BaseException) -> str:
    """Return an error that DreamFlow did not foresee on one line, and write a report of it.

    A full memory, and a file or folder that the system refuses, are none of DreamFlow's faults.
    """
    if is_out_of_memory(error):
        return word_flags(explain_out_of_memory(error))
    if isinstance(error, OSError) and error.filename and error.errno in SYSTEM_ERRNOS:
        return "; ".join(
            [f"{os.fsdecode(error.filename)}: {error.strerror}", *get_worded_notes(error)]
        )
    kind, first = type(error).__name__, (str(error).splitlines() or [""])[0]
    line = f"a fault in DreamFlow: {kind}: {first} (run again with --debug for the whole)"
    if report := write_fault_report(error, sys.argv[1:]):
        line += f"; please report it with {report}"
    return "; ".join([line, *get_worded_notes(error)])


def show_warning(message: Any, category: type[Warning], *where: Any, **more: Any) -> None:
    """Print a warning of DreamFlow's on one line; stands in for `warnings.showwarning`.

    Warnings of libraries are for developers, and are shown only with `python -W`.
    """
    if issubclass(category, DreamFlowWarning):
        if reports_json():
            text, settings = message.worded(flag_of), message.settings
            write_report("warning", code=message.code, message=text, settings=settings or None)
            return
        print_labelled("warning", "yellow", message.worded(flag_of))
    elif sys.warnoptions:
        _python_showwarning(message, category, *where, **more)
