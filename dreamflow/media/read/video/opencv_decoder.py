"""Decoding a video file with OpenCV: quick, but not right for every format."""

from __future__ import annotations

from dreamflow.core.errors import MediaError
from dreamflow.core.opencv import cv2
from dreamflow.media.read.video.video_info import IndexedPictures, VideoInfo
from dreamflow.media.resize import resize_picture


def read_with_opencv(info: VideoInfo, first: int = 0) -> IndexedPictures:
    """Yield (index, picture) of a video from frame `first` on, all before it skipped one by one.

    Raises:
        MediaError: OpenCV cannot open the file.
    """
    capture = cv2.VideoCapture(str(info.path.absolute()), cv2.CAP_FFMPEG)
    try:
        if not capture.isOpened():
            raise MediaError(f"{info.path} cannot be opened by OpenCV", where=str(info.path))
        for _ in range(first):
            if not capture.grab():
                return
        index = first
        while True:
            decoded, picture = capture.read()
            if not decoded:
                return
            rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
            yield index, resize_picture(rgb, info.width, info.height)
            index += 1
    finally:
        capture.release()
