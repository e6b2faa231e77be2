"""Two readers of films behind one contract: OpenCV where it is sound, PyAV where it is not.

A reader yields (index, picture) in display order from a first index on: uint8 (height, width, 3)
RGB, of the size that the probe told, rotated as displayed. It ends where nothing more decodes.
"""

from __future__ import annotations

from collections.abc import Iterator

import av
import av.error
import numpy as np

from dreamflow.errors import MediaError
from dreamflow.media.probe import FilmInfo
from dreamflow.opencv import cv2

Pictures = Iterator[tuple[int, np.ndarray]]

FAR_FRAMES = 240
"""From here on it is quicker to seek with PyAV, which is exact, than to decode all before."""


def read_film(info: FilmInfo, first: int = 0) -> Pictures:
    """Yield (index, picture) of a film from frame `first` on, with the reader that suits it."""
    if info.reasons or first > FAR_FRAMES:
        return read_with_pyav(info, first)
    return read_with_opencv(info, first)


def read_with_opencv(info: FilmInfo, first: int = 0) -> Pictures:
    """Yield (index, picture) as OpenCV decodes them."""
    capture = cv2.VideoCapture(str(info.path), cv2.CAP_FFMPEG)
    try:
        if not capture.isOpened():
            raise MediaError(f"{info.path} cannot be opened by OpenCV")
        for _ in range(first):
            if not capture.grab():
                return
        index = first
        while True:
            decoded, picture = capture.read()
            if not decoded or picture is None:
                return
            yield index, fitted(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), info.width, info.height)
            index += 1
    finally:
        capture.release()


def read_with_pyav(info: FilmInfo, first: int = 0) -> Pictures:
    """Yield (index, picture) as PyAV decodes them; seeks to a key frame before `first`."""
    with av.open(str(info.path)) as container:
        stream = container.streams.best("video")
        assert isinstance(stream, av.VideoStream)
        stream.thread_type = "AUTO"
        origin: int | None = None
        if first:
            origin = _first_stamp(info)
            container.seek(origin + int(info.stamps[first]), stream=stream, backward=True)
        index = 0
        try:
            for frame in container.decode(stream):
                if frame.pts is not None:
                    origin = frame.pts if origin is None else origin
                    index = int(np.searchsorted(info.stamps, frame.pts - origin))
                if index >= first:
                    yield index, _picture(frame, info)
                index += 1
        except av.error.FFmpegError:
            return  # damaged from here on: the clip says how many frames are missing


def _first_stamp(info: FilmInfo) -> int:
    """Return the time stamp of a film's first frame, in its time base."""
    with av.open(str(info.path)) as container:
        stream = container.streams.best("video")
        found = [
            packet.pts
            for packet, _ in zip(container.demux(stream), range(64), strict=False)
            if packet.pts is not None and packet.size and not packet.is_discard
        ]
    return min(found)


def _picture(frame: av.VideoFrame, info: FilmInfo) -> np.ndarray:
    picture = frame.reformat(format="rgb24", src_colorspace=info.matrix or None).to_ndarray()
    return fitted(orient(picture, info.orientation), info.width, info.height)


def orient(picture: np.ndarray, orientation: tuple[int, int, int, int]) -> np.ndarray:
    """Return a picture (H, W, 3) turned and mirrored as its display matrix (a, b, c, d) says."""
    a, b, c, d = orientation
    if a == 0:
        picture = picture.transpose(1, 0, 2)
        a, d = c, b
    return picture[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1]


def fitted(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return a picture at (width, height) pixels: area-averaged down, bicubic up."""
    if picture.shape[:2] == (height, width):
        return np.ascontiguousarray(picture)
    smaller = width < picture.shape[1] or height < picture.shape[0]
    method = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return cv2.resize(np.ascontiguousarray(picture), (width, height), interpolation=method)
