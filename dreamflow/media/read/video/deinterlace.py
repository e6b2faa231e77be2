"""Deinterlacing: one whole picture for each frame of two fields, by FFmpeg's bwdif."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
import av.filter

from dreamflow.core.errors import ConvertedSourceWarning
from dreamflow.media.read.video.packet_decoding import DecodedFrame
from dreamflow.media.read.video.video_info import VideoInfo

BWDIF_LOOKBACK_FRAMES = 2
"""Frames before a picture that bwdif needs for it."""
BWDIF_OPTIONS = {"auto": "mode=send_frame:deint=interlaced", "on": "mode=send_frame:deint=all"}
FILTER_TIME_BASE = Fraction(1, 25)
"""Time base within the filter, in seconds; any would do, since frames are numbered."""


def deinterlace_frames(
    frames: Iterable[DecodedFrame], mode: str, info: VideoInfo
) -> Iterator[DecodedFrame]:
    """Yield for each frame a whole picture at the time of its first field; numbers stay the same.

    Args:
        frames: The frames in order.
        mode: "auto" for the frames that are marked as interlaced, "on" for all frames, "off".
        info: The video; warns where frames are interlaced that the probe did not see.
    """
    if mode == "off":
        yield from frames
        return
    bwdif: _Bwdif | None = None
    for item in frames:
        if bwdif is not None and bwdif.shape != _shape_of(item):
            yield from bwdif.flush()
            bwdif = None
        if bwdif is None and (mode == "on" or item.frame.interlaced_frame):
            if mode == "auto" and not info.is_interlaced:
                warnings.warn(
                    f"frame {item.number} of {info.path.name} is interlaced: such frames are "
                    "deinterlaced",
                    ConvertedSourceWarning,
                    2,
                )
            bwdif = _Bwdif(item, mode)
        if bwdif is None:
            yield item
        else:
            yield from bwdif.push(item)
    if bwdif is not None:
        yield from bwdif.flush()


def _shape_of(item: DecodedFrame) -> tuple[int, int, str]:
    return item.frame.width, item.frame.height, item.frame.format.name


class _Bwdif:
    """FFmpeg's filter for frames of one shape: (width, height, pixel format)."""

    def __init__(self, first: DecodedFrame, mode: str) -> None:
        self.shape = _shape_of(first)
        self._pending: deque[DecodedFrame] = deque()
        self._graph = av.filter.Graph()
        width, height, _ = self.shape
        source = self._graph.add_buffer(
            width=width, height=height, format=first.frame.format, time_base=FILTER_TIME_BASE
        )
        self._graph.link_nodes(
            source, self._graph.add("bwdif", BWDIF_OPTIONS[mode]), self._graph.add("buffersink")
        ).configure()

    def push(self, item: DecodedFrame) -> Iterator[DecodedFrame]:
        """Take a frame, and yield those that are ready."""
        self._pending.append(item)
        item.frame.pts, item.frame.time_base = item.number, FILTER_TIME_BASE
        self._graph.push(item.frame)
        yield from self._pull()

    def flush(self) -> Iterator[DecodedFrame]:
        """Yield the frames that are left."""
        self._graph.push(None)
        yield from self._pull()

    def _pull(self) -> Iterator[DecodedFrame]:
        while self._pending:
            try:
                frame = self._graph.pull()
            except (BlockingIOError, EOFError):
                return
            assert isinstance(frame, av.VideoFrame)
            yield self._pending.popleft()._replace(frame=frame)
