"""The nearest known names for a mistyped one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

MIN_NAME_SIMILARITY = 0.75
"""Smallest `difflib` ratio of two names at which one may be a slip of the pen for the other."""


MIN_STEM_CHARS = 3
"""Shortest name that a longer one may be a slip of the pen for."""


def suggest_similar(
    name: str, known: Iterable[str], count: int = 3, min_similarity: float = MIN_NAME_SIMILARITY
) -> str:
    """Return `"; did you mean A, B or C?"` for a mistyped name, or an empty string.

    Case does not matter, and a part of a name finds the names that hold it; so does a longer name
    the short ones that it begins with, as `cosine` does `cos`.
    """
    names = list(known)
    folded = {n.casefold(): n for n in reversed(names)}
    wanted = name.casefold()
    close = get_close_matches(wanted, folded, n=count, cutoff=min_similarity)
    similar = [folded[match] for match in close]
    if len(similar) < count and len(wanted) >= 2:
        similar += [n for n in names if wanted in n.casefold() and n not in similar]
    if not similar:
        similar = [n for n in names if len(n) >= MIN_STEM_CHARS and wanted.startswith(n.casefold())]
    return did_you_mean(similar[:count])


def did_you_mean(names: Sequence[str]) -> str:
    """Return `"; did you mean A, B or C?"`, or an empty string where there is no name."""
    if not names:
        return ""
    return f"; did you mean {' or '.join(filter(None, (', '.join(names[:-1]), names[-1])))}?"
