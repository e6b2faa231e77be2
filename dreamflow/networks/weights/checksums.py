"""Checksums of weights files."""

from __future__ import annotations

import hashlib
from pathlib import Path

from dreamflow.networks.weights.registry import WeightsSource


def matches_checksum(path: Path, source: WeightsSource) -> bool:
    """Return whether a file has the published checksum, or none is published."""
    return compute_checksum(path, source.algorithm).startswith(source.digest)


def compute_checksum(path: Path, algorithm: str) -> str:
    """Return a file's checksum in hexadecimal; algorithm: a name that hashlib knows."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
