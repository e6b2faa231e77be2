"""Settings of what schedules hear, and of the sound beside the output's picture."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import ClassVar

from dreamflow.core.errors import SettingsError, named
from dreamflow.core.options.declaration import Options, option
from dreamflow.core.schedules.timecode import Timecode

DATA_SYNTAX = "NAME=FILE, the name of letters, digits and _"
FIRST_BEAT_SYNTAX = "0.35s, 1:02.5 or 8 (a frame)"


@dataclass(frozen=True)
class SoundOptions(Options):
    """What schedules hear, and the sound of the output."""

    PANEL: ClassVar[str] = "Sound"
    audio: str | None = option(
        None,
        "Schedules hear this sound or film, from the source's start on, in place of its own.",
        metavar="FILE",
        is_path=True,
    )
    audio_out: str = option(
        "auto",
        "Sound of the output: the source's own (clip), that of --audio (audio), or auto, which is "
        "that of --audio where the source has none.",
        choices=("auto", "clip", "audio"),
        needs=("audio", None),
    )
    bpm: float | None = option(
        None, "Beats a minute, where you know better than the detector.", above=0, high=1000
    )
    first_beat: str | None = option(
        None, "When the first beat is: 0.35s, 1:02.5 or 8 (a frame of the source).", metavar="WHEN"
    )
    beats_per_bar: int = option(
        4, "Beats in a bar; the first bar begins at beat 0.", low=1, high=64
    )
    data: tuple[str, ...] = option(
        (),
        "A series for schedules, heard as data.NAME: a CSV of seconds and values. Repeat for more.",
        metavar="NAME=FILE",
        is_path=True,
    )

    def _check_fields(self) -> None:
        super()._check_fields()
        if self.first_beat is not None:
            _check_first_beat(self.first_beat)
        names = [name for name, _ in map(split_data, self.data)]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise SettingsError(
                f"{named('data')} {twice} is given twice", setting="data", value=self.data
            )

    @property
    def data_files(self) -> dict[str, Path]:
        """The file of each series, by its name."""
        return {name: Path(path) for name, path in map(split_data, self.data)}

    def first_beat_s(self, rate: Fraction) -> Fraction | None:
        """Return when the first beat is, in seconds from the source's first frame; None if unset.

        Args:
            rate: The source's frames per second.
        """
        if self.first_beat is None:
            return None
        time = Timecode.parse(self.first_beat)
        return time.amount / rate if time.unit == "frames" else time.amount


def split_data(text: str) -> tuple[str, str]:
    """Return the name and the path of `NAME=FILE`.

    Raises:
        SettingsError: It is none.
    """
    name, equals, path = text.partition("=")
    name, path = name.strip(), path.strip()
    if not equals or not path or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,40}", name):
        raise SettingsError(
            f"{named('data')} {text!r}: write {DATA_SYNTAX}",
            setting="data",
            value=text,
            allowed=DATA_SYNTAX,
        )
    return name, path


def _check_first_beat(text: str) -> None:
    """Raise SettingsError where a text is no time from the source's first frame."""
    try:
        is_share = Timecode.parse(text).unit == "percent"
    except SettingsError:
        is_share = True
    if is_share:
        raise SettingsError(
            f"{named('first_beat')} {text!r} is not a time: write {FIRST_BEAT_SYNTAX}",
            setting="first_beat",
            value=text,
            allowed=FIRST_BEAT_SYNTAX,
        )
