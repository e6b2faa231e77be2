"""Paths as text that any document can hold."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote_to_bytes

FILE_URI_PREFIX = "file:///"
"""How a path begins that is kept as an address, since its name is not UTF-8."""


def path_to_text(path: Path) -> str:
    """Return a path as text that any document can hold; `path_from_text` returns the path.

    A name that is not UTF-8 is kept as a `file:///` address.
    """
    text = str(path)
    try:
        text.encode()
    except UnicodeEncodeError:
        return path.absolute().as_uri()
    return text


def path_from_text(text: str) -> Path:
    """Return the path that `path_to_text` gave this text."""
    if os.name == "posix" and text.startswith(FILE_URI_PREFIX):
        return Path(os.fsdecode(unquote_to_bytes(text.removeprefix(FILE_URI_PREFIX[:-1]))))
    return Path(text)
