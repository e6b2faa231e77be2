"""American spellings of settings, accepted for the British ones."""

from __future__ import annotations


def to_british_spelling(name: str) -> str:
    """Return the name of a setting or its flag in British spelling: `color` is `colour`."""
    return name.replace("color", "colour").replace("center", "centre")
