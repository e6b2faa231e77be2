"""Logging under the logger "dreamflow": silent by default, shown by `show_logs`."""

from __future__ import annotations

import logging

LOGGER_NAME = "dreamflow"
LOG_FORMAT = "%(name)s: %(message)s"

logging.getLogger(LOGGER_NAME).addHandler(logging.NullHandler())


def get_logger(module: str) -> logging.Logger:
    """Return the logger of a module of the package; `module` is its `__name__`."""
    return logging.getLogger(module)


def show_logs(level: int = logging.INFO, handler: logging.Handler | None = None) -> None:
    """Show the package's log records of a level and above.

    Args:
        level: Smallest level that is shown.
        handler: Where records go; None for standard error.
    """
    handler = handler or logging.StreamHandler()
    handler.setFormatter(logging.Formatter(LOG_FORMAT))
    logger = logging.getLogger(LOGGER_NAME)
    logger.addHandler(handler)
    logger.setLevel(level)
