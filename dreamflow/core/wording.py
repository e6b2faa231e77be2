"""Numbers in words."""

from __future__ import annotations


def format_count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 frame`, `2 frames`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
