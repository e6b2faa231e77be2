"""Documents of a job that tell when they were altered: JSON objects that hold their own hash."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dreamflow.core.errors import OutputError
from dreamflow.core.files.documents import DocumentError, canonical_json
from dreamflow.core.files.regular_file import read_file_bytes

SEAL_KEY = "seal"


def read_document_bytes(path: Path, max_bytes: int) -> bytes | None:
    """Return what a document's file holds; None where there is none.

    Raises:
        OutputError: It cannot be read.
        DocumentError: It is too large, or no regular file.
    """
    try:
        return read_file_bytes(path, max_bytes)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise OutputError(
            f"{path} cannot be read: {error.strerror or error}", where=str(path)
        ) from error


def compute_seal(document: Mapping[str, Any]) -> str:
    """Return the hash of all of a document but the seal itself, 32 hex digits."""
    sealed = {key: value for key, value in document.items() if key != SEAL_KEY}
    return hashlib.sha256(canonical_json(sealed)).hexdigest()[:32]


def check_seal(document: Mapping[str, Any]) -> None:
    """Check that a document is as it was written. Raises DocumentError."""
    if document.get(SEAL_KEY) != compute_seal(document):
        raise DocumentError("it was altered since it was written")
