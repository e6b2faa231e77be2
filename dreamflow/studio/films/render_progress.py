"""How far a render has come, read from the lines of JSON that it prints."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from dreamflow.core.files.documents import DocumentError, is_table, parse_json

DREAMING = "dreaming"
"""How the task begins whose progress counts."""


@dataclass(frozen=True)
class RenderProgress:
    """How far a render has come.

    Attributes:
        done: Frames.
        total: Of so many; 0 where that is not known yet.
        seconds_left: Expected; None where that is not known yet.
    """

    done: float = 0.0
    total: float = 0.0
    seconds_left: float | None = None


def read_progress(lines: Sequence[str]) -> RenderProgress:
    """Return the progress that the last report among some lines says."""
    for line in reversed(lines):
        with contextlib.suppress(DocumentError, TypeError, ValueError):
            report = parse_json(line) if line.startswith("{") else None
            if is_table(report) and str(report.get("task", "")).startswith(DREAMING):
                left = report.get("seconds_left")
                return RenderProgress(
                    float(report.get("done") or 0),
                    float(report.get("total") or 0),
                    None if left is None else float(left),
                )
    return RenderProgress()
