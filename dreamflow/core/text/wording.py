"""Numbers and values in words."""

from __future__ import annotations

MAX_SHOWN_CHARS = 200
"""Characters of a value that a message shows at most."""
MAX_SHOWN_INTEGER_BITS = 512
"""Bits of a whole number that a message shows; Python refuses to write one of 4,301 digits."""


def format_count(number: int, noun: str) -> str:
    """Return a number with its noun: `1 frame`, `2 frames`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def shorten_repr(value: object) -> str:
    """Return a value as Python writes it, cut where it is too long for a message."""
    if isinstance(value, int) and value.bit_length() > MAX_SHOWN_INTEGER_BITS:
        return "a number of too many digits"
    text = repr(value[:MAX_SHOWN_CHARS] if isinstance(value, str) else value)
    is_cut = len(text) > MAX_SHOWN_CHARS or (
        isinstance(value, str) and len(value) > MAX_SHOWN_CHARS
    )
    return f"{text[:MAX_SHOWN_CHARS]}..." if is_cut else text
