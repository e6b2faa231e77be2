"""`dreamflow --verbose`: the log of the package on stderr."""

from __future__ import annotations

import logging
from collections.abc import Callable

from dreamflow.cli.terminal import print_note, word_flags

LOGGER_NAME = "dreamflow"
LOG_LINE_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
LOG_TIME_FORMAT = "%H:%M:%S"


class StderrLogHandler(logging.Handler):
    """Prints log records above the progress bar, settings worded as flags."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one record."""
        print_note(word_flags(self.format(record)))


def show_log() -> Callable[[], None]:
    """Show all records of the package's logger, and return the function that ends it."""
    logger = logging.getLogger(LOGGER_NAME)
    level_before = logger.level
    handler = StderrLogHandler()
    handler.setFormatter(logging.Formatter(LOG_LINE_FORMAT, LOG_TIME_FORMAT))
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)

    def hide_log() -> None:
        logger.removeHandler(handler)
        logger.setLevel(level_before)

    return hide_log
