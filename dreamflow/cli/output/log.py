"""`dreamflow --verbose`: the log of the package on stderr."""

from __future__ import annotations

import logging
from collections.abc import Callable

from dreamflow.cli.output.terminal import print_note, word_flags
from dreamflow.core.logs import LOGGER_NAME, show_logs


class StderrLogHandler(logging.Handler):
    """Prints log records above the progress bar, settings worded as flags."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        print_note(word_flags(self.format(record)))


def show_log() -> Callable[[], None]:
    """Show the package's records of INFO and above; return the function that ends it."""
    logger = logging.getLogger(LOGGER_NAME)
    level_before, handler = logger.level, StderrLogHandler()
    show_logs(handler=handler)

    def hide_log() -> None:
        logger.removeHandler(handler)
        logger.setLevel(level_before)

    return hide_log
