"""Every error that DreamFlow raises on purpose.

DreamFlowError            something the user can mend; exit code 1 on the command line
|- SettingsError          a setting, preset or layer that is unknown, out of range or contradictory
|- MediaError             a clip or picture that cannot be read
|- OutputError            a file that cannot be written: exists, no folder, encoder failed, disk
full
|- WeightsError           weights not found, or not of this network
|- MemoryFullError        the memory of the machine, or of its GPU, does not suffice
|- DependencyError        a library is missing or broken on this machine
`- UserInterrupt          the user pressed Ctrl-C; exit code 130

DreamFlowWarning          something is lost or changed on the way

Messages name settings by `named("octave_scale")`: Python users read `octave_scale`, and the command
line words the same message with its flag, `--octave-scale`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import copy
from typing import Any, Self

_SETTING_MARK = re.compile("⟦([^⟦⟧]*)⟧")


def named(setting: str) -> str:
    """Return how a message refers to a setting, so that each reader sees the name he knows."""
    return f"⟦{setting}⟧"


def word_settings(message: str, word: Callable[[str], str] = str) -> str:
    """Return a message with each setting that it refers to worded; by default the plain name."""
    return _SETTING_MARK.sub(lambda mark: word(mark[1]), message)


class DreamFlowError(Exception):
    """Base of all errors that are the user's to mend. The message says what, where, what next.

    Attributes:
        setting: Name of the setting at fault, as in Python and in presets.
        value: What it was set to.
        allowed: What it may be, in words.
        where: The file, table or keyframe that it stands in.
    """

    def __init__(
        self,
        message: str = "",
        *,
        setting: str | None = None,
        value: Any = None,
        allowed: str | None = None,
        where: str | None = None,
    ) -> None:
        super().__init__(message)
        self.setting, self.value, self.allowed, self.where = setting, value, allowed, where

    @property
    def message(self) -> str:
        """The message, settings still marked; see `named`."""
        return str(self.args[0]) if self.args else ""

    def __str__(self) -> str:
        return word_settings(self.message)

    def worded(self, word: Callable[[str], str]) -> str:
        """Return the message with each setting worded by a function, such as as a flag."""
        return word_settings(self.message, word)

    def located(self, where: str, separator: str = ": ") -> Self:
        """Return the same error, its message led by the place that it concerns."""
        other = copy(self)
        other.args = (f"{where}{separator}{self.message}", *self.args[1:])
        other.where = self.where or word_settings(where)
        return other


class SettingsError(DreamFlowError):
    """A setting that is out of range, of a wrong type, unknown, or at odds with another."""


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


class UserInterrupt(DreamFlowError):
    """The user stopped the work; the message says what is kept."""


class DreamFlowWarning(UserWarning):
    """Something is lost or changed on the way, and the user should know."""

    def __str__(self) -> str:
        return word_settings(str(self.args[0]) if self.args else "")

    @property
    def settings(self) -> list[str]:
        """The names of the settings that the message refers to."""
        return list(dict.fromkeys(_SETTING_MARK.findall(str(self.args[0]) if self.args else "")))

    def worded(self, word: Callable[[str], str]) -> str:
        """Return the message with each setting worded by a function, such as as a flag."""
        return word_settings(str(self.args[0]) if self.args else "", word)
