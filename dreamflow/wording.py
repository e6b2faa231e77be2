"""Words around numbers."""

from __future__ import annotations


def counted(number: int, what: str) -> str:
    """Return a number and what there is of it: `1 frame`, `2 frames`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
