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

DreamFlowWarning          something is lost or changed on the way; each is of one of its subclasses

The `code` of an error or a warning names its kind for programs: `memory_full`, `damaged_source`.
Messages name settings by `named("octave_scale")`: Python users read `octave_scale`, and the command
line words the same message with its flag, `--octave-scale`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import copy
from typing import Any, ClassVar, Self

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
        code: The kind of error in a word: what programs may act on.
        setting: Name of the setting at fault, as in Python and in presets.
        value: What it was set to.
        allowed: What it may be, in words.
        where: The file, table or keyframe that it stands in.
    """

    code: ClassVar[str] = "error"

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

    code = "settings"


class MediaError(DreamFlowError):
    """A clip or picture that cannot be read."""

    code = "media"


class OutputError(DreamFlowError):
    """An output that cannot be written."""

    code = "output"


class WeightsError(DreamFlowError):
    """Weights that were not found, or that do not fit the network."""

    code = "weights"


class MemoryFullError(DreamFlowError):
    """The memory of the machine, or of its GPU, does not suffice."""

    code = "memory_full"


class DependencyError(DreamFlowError):
    """A library that is missing, or that cannot work on this machine."""

    code = "dependency"


class UserInterrupt(DreamFlowError):
    """The user stopped the work; the message says what is kept."""

    code = "stopped"


class DreamFlowWarning(UserWarning):
    """Something is lost or changed on the way, and the user should know.

    Each warning is of a subclass, its kind, by which Python's filters of warnings tell them apart.

    Attributes:
        code: The kind of warning in words: what programs may act on.
    """

    code: ClassVar[str] = "warning"

    def __str__(self) -> str:
        return word_settings(str(self.args[0]) if self.args else "")

    @property
    def settings(self) -> list[str]:
        """The names of the settings that the message refers to."""
        return list(dict.fromkeys(_SETTING_MARK.findall(str(self.args[0]) if self.args else "")))

    def worded(self, word: Callable[[str], str]) -> str:
        """Return the message with each setting worded by a function, such as as a flag."""
        return word_settings(str(self.args[0]) if self.args else "", word)


class DamagedSourceWarning(DreamFlowWarning):
    """A part of a source is missing or does not decode; what stands in for it is said."""

    code = "damaged_source"


class ConvertedSourceWarning(DreamFlowWarning):
    """A source is read otherwise than it is stored: its colours, depth, fields or size."""

    code = "converted_source"


class ShortSourceWarning(DreamFlowWarning):
    """A matte, a reference or the sound ends before the film does."""

    code = "short_source"


class SilentSourceWarning(DreamFlowWarning):
    """The sound that schedules hear is silent."""

    code = "silent_source"


class NoResponseWarning(DreamFlowWarning):
    """Nothing in the network responds to the picture: there is no dream."""

    code = "no_response"


class IneffectiveSettingWarning(DreamFlowWarning):
    """A setting, or a part of its schedule, does nothing here."""

    code = "ineffective_setting"


class SkippedItemWarning(DreamFlowWarning):
    """One of several is left out: a preset, a look, a layer, a render of a queue, a column."""

    code = "skipped_item"


class ConvertedOutputWarning(DreamFlowWarning):
    """The output holds something otherwise than it is: size, sound or light."""

    code = "converted_output"


class LeftOutWarning(DreamFlowWarning):
    """The output cannot hold something: frames, times, sound, subtitles or settings."""

    code = "left_out"


class DifferentFramesWarning(DreamFlowWarning):
    """Frames may differ from those of another machine, version or render in one go."""

    code = "different_frames"


class DamagedJobWarning(DreamFlowWarning):
    """A job on the disk cannot be read, or its frames end early."""

    code = "damaged_job"


class StorageWarning(DreamFlowWarning):
    """The disk is nearly full, has no locks, or takes no file beside the output."""

    code = "storage"


class SpeedWarning(DreamFlowWarning):
    """Another setting is faster on this machine."""

    code = "speed"


class DependencyWarning(DreamFlowWarning):
    """A library is missing that only a part of the work needs."""

    code = "dependency"


class UnverifiedWeightsWarning(DreamFlowWarning):
    """There is no checksum to compare a file of weights with."""

    code = "unverified_weights"


class FlashingWarning(DreamFlowWarning):
    """The film flashes: a danger to photosensitive viewers."""

    code = "flashing"


class LoopSeamWarning(DreamFlowWarning):
    """The end does not lead into the beginning."""

    code = "loop_seam"


class MeasurementWarning(DreamFlowWarning):
    """Something is measured otherwise than it was made, or only in part."""

    code = "measurement"
