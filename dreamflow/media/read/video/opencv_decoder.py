"""Decoding a video file with OpenCV, as long as it gives each frame at its time."""

from __future__ import annotations

import numpy as np

from dreamflow.core.opencv import cv2
from dreamflow.media.read.video.pyav_decoder import read_with_pyav
from dreamflow.media.read.video.video_info import NO_FRAME, IndexedPictures, VideoInfo
from dreamflow.media.resize import resize_picture


def read_with_opencv(info: VideoInfo, first: int = 0, deinterlace: str = "auto") -> IndexedPictures:
    """Yield (index, picture) of a video from frame `first` on, all before it skipped one by one.

    From the first frame on that OpenCV does not decode, or gives at another time than the next
    frame's, PyAV goes on.
    """
    upcoming = first
    for index, picture in _read_frames(info, first):
        yield index, picture
        upcoming = index + 1
    if upcoming < info.frames:
        for index, picture in read_with_pyav(info, upcoming, deinterlace):
            if index >= upcoming or upcoming == first:
                yield index, picture


def _read_frames(info: VideoInfo, first: int) -> IndexedPictures:
    if not _is_in_step(info):
        return
    capture = cv2.VideoCapture(str(info.path.absolute()), cv2.CAP_FFMPEG)
    try:
        start_s: float | None = None
        for index in range(info.frames):
            if not capture.isOpened() or not capture.grab():
                return
            time_s = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
            start_s = time_s if start_s is None else start_s
            if _frame_at(info, time_s - start_s) != index:
                return
            if index < first:
                continue
            decoded, picture = capture.retrieve()
            if not decoded:
                return
            rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
            yield index, resize_picture(rgb, info.width, info.height)
    finally:
        capture.release()


def _is_in_step(info: VideoInfo) -> bool:
    """Return whether OpenCV's first frame is the first one, and its times are those of frames."""
    table = info.packets
    if table is None or table.order != "stamps" or not table.is_seekable:
        return False
    held = table.frame_numbers != NO_FRAME
    return bool((table.frame_numbers[held] >= 0).all())


def _frame_at(info: VideoInfo, seconds: float) -> int:
    """Return the number of the frame that begins nearest to a time."""
    tick = round(seconds / float(info.time_base))
    after = int(np.searchsorted(info.timestamps, tick))
    near = [n for n in (after - 1, after) if 0 <= n < len(info.timestamps)]
    return min(near, key=lambda n: abs(int(info.timestamps[n]) - tick))
