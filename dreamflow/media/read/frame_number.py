"""Frame numbers of times: `48`, `2s`, `1:02.5` and `40%` in a source, and of spans."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from dreamflow.core.errors import SettingsError, named
from dreamflow.core.schedules.timecode import Timecode
from dreamflow.media.options import ClipOptions
from dreamflow.media.read.sequences.picture_folder import PictureFolderInfo
from dreamflow.media.read.video.video_info import VideoInfo

Source = VideoInfo | PictureFolderInfo
"""The facts of a source."""


def parse_frame_number(when: str, info: Source) -> int:
    """Return the number, from 0, of the frame that is shown at a time; it may be past the end.

    Args:
        when: `48` (a frame), `2s`, `1:02.5` or `40%`.
        info: The source.

    Raises:
        SettingsError: The text is not a time, or is more than 100%.
    """
    time = Timecode.parse(when)
    if time.unit == "frames":
        return int(time.amount)
    if time.unit == "percent":
        if time.amount > 100:
            raise SettingsError(
                f"{when!r} is past the end of the clip", value=when, allowed="0% to 100%"
            )
        return int(time.amount * info.frames / 100)
    return frame_number_at(info, time.amount)


def frame_number_at(info: Source, seconds: Fraction) -> int:
    """Return the number of the frame that is shown `seconds` after the first one."""
    if isinstance(info, PictureFolderInfo):
        return int(seconds * info.rate)
    if seconds >= info.length:
        return len(info.timestamps) + int((seconds - info.length) * info.rate)
    tick = int(seconds / info.time_base)
    return max(0, int(np.searchsorted(info.timestamps, tick, side="right")) - 1)


def parse_span(options: ClipOptions, info: Source, path: Path) -> tuple[int, int]:
    """Return the number in the source of the first frame taken, and that after the last one.

    Args:
        options: Their settings `start` and `end`.
        info: The facts of the source.
        path: The source, for errors.

    Raises:
        SettingsError: A setting is not a time, or does not lie in the source.
    """
    frames = info.frames
    first = _parse_setting("start", options.start, info, path) if options.start else 0
    stop = _parse_setting("end", options.end, info, path) if options.end else frames
    if first >= frames:
        raise _past_end("start", options.start, info, path)
    if stop <= first:
        raise SettingsError(
            f"{named('end')} {options.end} is not after {named('start')} {options.start or 0}",
            setting="end",
            value=options.end,
            allowed=f"frames {first + 1} to {frames}",
            where=str(path),
        )
    return first, min(stop, frames)


def parse_moment(when: str, info: Source, path: Path) -> int:
    """Return the number in the source of the frame at `48`, `2s`, `1:02.5` or `40%`.

    Args:
        when: The text.
        info: The facts of the source.
        path: The source, for errors.

    Raises:
        SettingsError: The text is not a time, or is past the end.
    """
    number = _parse_setting("at", when, info, path)
    last = info.frames - 1
    if when.strip().endswith("%"):
        number = min(number, last)
    if number > last:
        raise _past_end("at", when, info, path)
    return number


def _past_end(setting: str, when: str | None, info: Source, path: Path) -> SettingsError:
    last = info.frames - 1
    return SettingsError(
        f"{named(setting)} {when} is past the end: {path} has frames 0 to {last}, "
        f"{float(info.length):.2f} s",
        setting=setting,
        value=when,
        allowed=f"frames 0 to {last}",
        where=str(path),
    )


def _parse_setting(setting: str, when: str, info: Source, path: Path) -> int:
    """Return the frame number that a setting gives; its error names the setting."""
    try:
        return parse_frame_number(when, info)
    except SettingsError as error:
        located = error.located(named(setting), " ")
        located.setting, located.value = setting, when
        located.where = str(path)
        raise located from None
