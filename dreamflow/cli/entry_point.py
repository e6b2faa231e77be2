"""`main`: run a command; every error ends in one line on stderr and an exit code.

Exit codes: 0 done, 1 an error, 2 a command line that cannot be parsed, 130 stopped by Ctrl-C.
"""

from __future__ import annotations

import os
import sys
import warnings
from functools import cache
from typing import Any

import typer

from dreamflow.cli.app import app
from dreamflow.cli.output import terminal
from dreamflow.cli.output.crash_line import crash_line
from dreamflow.cli.output.escaping import escaped_output
from dreamflow.core.errors import DreamFlowError, DreamFlowWarning, UserInterrupt
from dreamflow.core.machine.kept_kernels import limit_kept_kernels
from dreamflow.core.text.did_you_mean import suggest_similar
from dreamflow.media.files.container_policy import OPENCV_CAPTURE_VARIABLE, opencv_capture_options

ERROR_EXIT_CODE = 1
SIGINT_EXIT_CODE = 130


def main() -> None:
    """Run the command line `sys.argv`, and exit."""
    os.environ.setdefault(OPENCV_CAPTURE_VARIABLE, opencv_capture_options())
    limit_kept_kernels()
    with escaped_output(), crash_line("--debug" in sys.argv):
        code = run_command()
    sys.exit(code)


def run_command() -> int:
    """Run the command line `sys.argv`, and return the exit code; with `--debug`, errors raise."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always", DreamFlowWarning)
            warnings.showwarning = terminal.show_warning
            code = build_parser()(standalone_mode=False)
        if code == SIGINT_EXIT_CODE:  # typer has caught a Ctrl-C before the work began
            terminal.print_stop("stopped", SIGINT_EXIT_CODE)
    except (Exception, KeyboardInterrupt) as error:
        if "--debug" in sys.argv:
            terminal.word_notes(error)
            sys.excepthook = terminal.print_traceback
            raise
        return report_error(error)
    return code if isinstance(code, int) else 0


@cache
def build_parser() -> Any:
    """Return the parser of all commands, which is built once a process: it takes 45 ms."""
    return typer.main.get_command(app)


def report_error(error: BaseException) -> int:
    """Print an error on one line of stderr, and return the exit code."""
    if isinstance(error, (UserInterrupt, KeyboardInterrupt)):
        terminal.print_stop(terminal.format_error(error, "stopped"), SIGINT_EXIT_CODE)
        return SIGINT_EXIT_CODE
    if isinstance(error, DreamFlowError):
        terminal.print_error(terminal.format_error(error), error, ERROR_EXIT_CODE)
        return ERROR_EXIT_CODE
    if hasattr(error, "format_message"):  # typer's: a missing argument, an unknown option
        return report_usage_error(error)
    terminal.print_error(terminal.format_internal_error(error), error, ERROR_EXIT_CODE)
    return ERROR_EXIT_CODE


PLAIN_WORDS = {
    "Input should be a valid integer, unable to parse string as an integer": (
        "it must be a whole number, such as 6, without a unit"
    ),
    "Input should be a valid number, unable to parse string as a number": (
        "it must be a number, such as 6 or 0.5, without a unit"
    ),
    "Input should be": "it must be",
    "Value error, ": "",
}
"""What typer says about the values of options, and what it means to users."""


def report_usage_error(error: Any) -> int:
    """Print what typer has found wrong with the command line, and return its exit code."""
    message = error.format_message()
    exit_code = getattr(error, "exit_code", ERROR_EXIT_CODE)
    if getattr(error, "option_name", None) and hasattr(error, "possibilities"):
        message = format_unknown_option(error)
    for words, plain_words in PLAIN_WORDS.items():
        message = message.replace(words, plain_words)
    if message:  # none where a group without a command has just shown its help
        line = add_help_hint(" ".join(message.split()).rstrip("."), error)
        terminal.print_error(line, error, exit_code)
    return exit_code


def format_unknown_option(error: Any) -> str:
    """Return that there is no such option, and those of a similar name, the most similar first."""
    parameters: list[Any] = error.ctx.command.params if error.ctx else []
    known: list[str] = [flag for one in parameters for flag in (*one.opts, *one.secondary_opts)]
    return error.message + suggest_similar(
        error.option_name, [flag for flag in known if flag.startswith("--")]
    )


def add_help_hint(message: str, error: Any) -> str:
    """Return the message of a usage error, and which help to read."""
    context = getattr(error, "ctx", None)
    if context is None:
        return message
    see = " See" if message.endswith("?") else "; see"
    return f"{message}{see} `{context.command_path} --help`"
