"""Decoding a video file with PyAV: exact time stamps and colours, for every format FFmpeg reads."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import TypeVar

import av
import av.container
import numpy as np

from dreamflow.core.errors import ConvertedSourceWarning
from dreamflow.media.files.film_file import open_film
from dreamflow.media.read.video.deinterlace import BWDIF_LOOKBACK_FRAMES, deinterlace_frames
from dreamflow.media.read.video.orientation import apply_orientation
from dreamflow.media.read.video.packet_decoding import (
    DecodedFrame,
    NumberedPacket,
    decode_packets,
    demux_from,
    demux_from_start,
)
from dreamflow.media.read.video.video_info import IndexedPictures, PacketTable, VideoInfo
from dreamflow.media.resize import letterbox

PictureT = TypeVar("PictureT")
LIBVPX_BY_CODEC = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Decoders with transparency, which FFmpeg's own of these codecs leave out."""


def read_with_pyav(info: VideoInfo, first: int = 0, deinterlace: str = "auto") -> IndexedPictures:
    """Yield (index, picture) of a video from frame `first` on, numbered by their time stamps.

    Frames that do not decode are left out; where that is the first one, the last before it comes
    first. The container is sought to a key frame before `first`, or decoded from its start where
    it cannot be sought. Warns where the video changes its size; such pictures are fitted into the
    first size.

    Args:
        info: The probed video.
        first: Number of the first frame.
        deinterlace: "auto" for the frames that are marked as interlaced, "on" for all, "off".
    """
    return read_converted(info, first, deinterlace, _PictureConversion(info))


def read_converted(
    info: VideoInfo, first: int, deinterlace: str, convert: Callable[[DecodedFrame], PictureT]
) -> Iterator[tuple[int, PictureT]]:
    """Yield (index, picture) as `read_with_pyav` does, frames converted by a function."""
    before: DecodedFrame | None = None
    for item in _decode_from(info, first, deinterlace):
        if item.number < first:
            before = item
            continue
        if before is not None and item.number > first:
            yield before.number, convert(before)
        before = None
        yield item.number, convert(item)
    if before is not None:
        yield before.number, convert(before)


class _PictureConversion:
    """Conversion of frames to upright RGB pictures of one size; repeated frames are kept."""

    def __init__(self, info: VideoInfo) -> None:
        self._info, self._has_warned = info, False
        self._kept: tuple[av.VideoFrame, np.ndarray] | None = None

    def __call__(self, item: DecodedFrame) -> np.ndarray:
        if self._kept is None or self._kept[0] is not item.frame:
            self._kept = item.frame, self._convert(item)
        return self._kept[1]

    def _convert(self, item: DecodedFrame) -> np.ndarray:
        info = self._info
        picture = apply_orientation(info.colour.to_rgb(item.frame), info.orientation)
        height, width = picture.shape[:2]
        if (width, height) == (info.width, info.height):
            return picture
        if not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"{info.path.name} changes its size: frame {item.number} is {width}x{height}, and "
                f"is fitted into {info.width}x{info.height}",
                ConvertedSourceWarning,
                2,
            )
        return letterbox(picture, info.width, info.height)


def _decode_from(info: VideoInfo, first: int, deinterlace: str) -> Iterator[DecodedFrame]:
    """Yield the frames from `first` or earlier on, those at the end once more where they failed.

    FFmpeg's decoders that work on several frames at once lose all that they still hold where one
    of them fails at the end of the file.
    """
    last = -1
    for item in _decode_or_restart(info, first, deinterlace, "AUTO"):
        yield item
        last = item.number
    if last < info.frames - 1:
        begin = max(first, last + 1)
        for item in _decode_or_restart(info, begin, deinterlace, "SLICE"):
            if item.number > last:
                yield item


def _decode_or_restart(
    info: VideoInfo, first: int, deinterlace: str, threads: str
) -> Iterator[DecodedFrame]:
    """Yield the frames from a key frame before `first` on, from the start if that leads too far."""
    if first:
        frames = _decode_frames(info, first, deinterlace, threads)
        head = next(frames, None)
        if head is not None and head.number <= first:
            yield head
            yield from frames
            return
    yield from _decode_frames(info, 0, deinterlace, threads)


def _decode_frames(
    info: VideoInfo, seek_to: int, deinterlace: str, threads: str
) -> Iterator[DecodedFrame]:
    """Yield the frames from a key frame before `seek_to` on, from the start where it is 0."""
    assert info.packets is not None
    with open_film(info.path, info.film_format) as container:
        stream = container.streams[info.track]
        assert isinstance(stream, av.VideoStream)
        stream.thread_type = threads
        packets = _demux(info, info.packets, container, stream, seek_to)
        decoded = decode_packets(packets, _choose_decoder(info, stream), info.packets)
        yield from deinterlace_frames(decoded, deinterlace, info)


def _demux(
    info: VideoInfo,
    table: PacketTable,
    container: av.container.InputContainer,
    stream: av.VideoStream,
    seek_to: int,
) -> Iterator[NumberedPacket]:
    if not seek_to:
        return demux_from_start(container, stream)
    if not table.is_seekable:
        return iter(())
    before = max(0, min(seek_to - BWDIF_LOOKBACK_FRAMES, len(info.timestamps) - 1))
    stamp = info.first_timestamp + int(info.timestamps[before])
    return demux_from(container, stream, stamp, table) or iter(())


def _choose_decoder(info: VideoInfo, stream: av.VideoStream) -> av.VideoCodecContext:
    """Return the stream's decoder, or libvpx for VP8 and VP9 with transparency."""
    libvpx = LIBVPX_BY_CODEC.get(info.codec, "")
    if not info.colour.has_alpha or libvpx not in av.codecs_available:
        return stream.codec_context
    decoder = av.CodecContext.create(libvpx, "r")
    assert isinstance(decoder, av.VideoCodecContext)
    return decoder
