"""The command line: one file a command, options made from settings, wording of errors, progress.

Only this package knows typer, and nothing below it knows a terminal.
"""

from dreamflow.cli.app import app
from dreamflow.cli.entry_point import main

__all__ = ["app", "main"]
