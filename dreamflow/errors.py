"""Every error that DreamFlow raises on purpose.

DreamFlowError            something the user can mend; shown as one line, exit code 1
|- SettingsError          an option, preset or layer that cannot be: out of range, unknown
|- MediaError             a clip or picture that cannot be read
|- OutputError            a file that cannot be written: exists, no folder, encoder died, disk full
|- WeightsError           weights not found, or not of this network
|- MemoryFullError        the memory of the machine, or of its GPU, does not suffice
|- DependencyError        a library is missing or broken on this machine
`- Stopped                the user pressed Ctrl-C; exit code 130

DreamFlowWarning          something was silently lossy, and is now said aloud
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches


class DreamFlowError(Exception):
    """Base of all errors that are the user's to mend. The message says what, where, what next."""


class SettingsError(DreamFlowError):
    """A setting that cannot be: out of range, of a wrong type, or of an unknown name."""


class MediaError(DreamFlowError):
    """A clip or picture that cannot be read."""


class OutputError(DreamFlowError):
    """An output that cannot be written."""


class WeightsError(DreamFlowError):
    """Weights that were not found, or that do not fit the network."""


class MemoryFullError(DreamFlowError):
    """The memory of the machine, or of its GPU, does not suffice."""


class DependencyError(DreamFlowError):
    """A library that is missing, or that cannot work on this machine."""


class Stopped(DreamFlowError):
    """The user stopped the work; the message says what is kept."""


class DreamFlowWarning(UserWarning):
    """Something is lost or changed on the way, and the user should know."""


LIKENESS = 0.75
"""Of two names (`difflib`'s ratio), from which on one may be a slip of the pen for the other."""


def nearest(name: str, known: Iterable[str], count: int = 3) -> str:
    """Return `"; did you mean A, B or C?"` for a mistyped name, or an empty string.

    Case does not matter, and a part of a name finds the names that hold it.
    """
    names = list(known)
    folded = {n.casefold(): n for n in reversed(names)}
    wanted = name.casefold()
    close = [folded[m] for m in get_close_matches(wanted, folded, n=count, cutoff=LIKENESS)]
    if len(close) < count and len(wanted) >= 2:
        close += [n for n in names if wanted in n.casefold() and n not in close]
    close = close[:count]
    return did_you_mean(close)


def did_you_mean(names: Sequence[str]) -> str:
    """Return `"; did you mean A, B or C?"`, or an empty string where there is no name."""
    if not names:
        return ""
    return f"; did you mean {' or '.join(filter(None, (', '.join(names[:-1]), names[-1])))}?"
