"""Frame numbers of times: `48`, `2s`, `1:02.5` and `40%` in a source."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from dreamflow.core.errors import SettingsError
from dreamflow.core.schedules.timecode import Timecode
from dreamflow.media.read.sequences.picture_folder import PictureFolderInfo
from dreamflow.media.read.video.video_info import VideoInfo


def parse_frame_number(when: str, info: VideoInfo | PictureFolderInfo) -> int:
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


def frame_number_at(info: VideoInfo | PictureFolderInfo, seconds: Fraction) -> int:
    """Return the number of the frame that is shown `seconds` after the first one."""
    if isinstance(info, PictureFolderInfo):
        return int(seconds * info.rate)
    if seconds >= info.length:
        return len(info.timestamps) + int((seconds - info.length) * info.rate)
    tick = int(seconds / info.time_base)
    return max(0, int(np.searchsorted(info.timestamps, tick, side="right")) - 1)
