"""American spellings of flags, accepted for the British ones."""

from __future__ import annotations


def to_british_spelling(flag: str) -> str:
    """Return a flag, given without its dashes, in British spelling: `--color` is `--colour`."""
    return flag.replace("color", "colour").replace("center", "centre")
