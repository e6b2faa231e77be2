"""Decoding a video file with PyAV: exact time stamps and colours, for every format FFmpeg reads."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator

import av
import av.container
import av.error
import numpy as np

from dreamflow.core.errors import DreamFlowWarning
from dreamflow.media.read.video.deinterlace import (
    BWDIF_LOOKBACK_FRAMES,
    DecodedFrame,
    deinterlace_frames,
)
from dreamflow.media.read.video.orientation import apply_orientation
from dreamflow.media.read.video.video_info import IndexedPictures, VideoInfo
from dreamflow.media.resize import letterbox

LIBVPX_BY_CODEC = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Decoders with transparency, which FFmpeg's own of these codecs leave out."""


def read_with_pyav(info: VideoInfo, first: int = 0) -> IndexedPictures:
    """Yield (index, picture) of a video from frame `first` on, numbered by their time stamps.

    Frames that do not decode are left out. The container is sought to a key frame before `first`,
    or decoded from its start where it cannot be sought. Warns where the video changes its size;
    such pictures are fitted into the first size.
    """
    size_changed = False
    for index, frame in _decode_from(info, first):
        if index < first:
            continue
        picture = apply_orientation(info.colour.to_rgb(frame), info.orientation)
        height, width = picture.shape[:2]
        if not size_changed and (width, height) != (info.width, info.height):
            size_changed = True
            warnings.warn(
                f"{info.path.name} changes its size: frame {index} is {width}x{height}, and is "
                f"fitted into {info.width}x{info.height}",
                DreamFlowWarning,
                2,
            )
        yield index, letterbox(picture, info.width, info.height) if size_changed else picture


def _decode_from(info: VideoInfo, first: int) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yield (index, frame) from `first` or earlier on: from the start where seeking fails."""
    frames = _decode_frames(info, first)
    if not first:
        return frames
    head = next(frames, None)
    if head is None or head[0] > first:
        return _decode_frames(info, 0)
    return itertools.chain([head], frames)


def _decode_frames(info: VideoInfo, seek_to: int) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yield (index, frame) from a key frame before `seek_to` on, from the start where it is 0."""
    with av.open(str(info.path.absolute())) as container:
        stream = container.streams.best("video")
        assert isinstance(stream, av.VideoStream)
        stream.thread_type = "AUTO"
        if seek_to:
            before = seek_to - BWDIF_LOOKBACK_FRAMES if info.is_interlaced else seek_to
            stamp = int(info.timestamps[max(0, min(before, len(info.timestamps) - 1))])
            container.seek(info.first_timestamp + stamp, stream=stream, backward=True)
        last = -1
        frames = _decode_packets(container, stream, _choose_decoder(info, stream))
        for frame, after_damage in deinterlace_frames(frames) if info.is_interlaced else frames:
            index = last + 1
            if frame.pts is not None:
                stamped = int(np.searchsorted(info.timestamps, frame.pts - info.first_timestamp))
                # AVI's stamps are sometimes one off: a gap of one frame counts only after damage.
                if last < 0 or after_damage or stamped > index + 1:
                    index = max(index, stamped)
            yield index, frame
            last = index


def _choose_decoder(info: VideoInfo, stream: av.VideoStream) -> av.VideoCodecContext:
    """Return the stream's decoder, or libvpx for VP8 and VP9 with transparency."""
    libvpx = LIBVPX_BY_CODEC.get(info.codec, "")
    if not info.colour.has_alpha or libvpx not in av.codecs_available:
        return stream.codec_context
    decoder = av.CodecContext.create(libvpx, "r")
    assert isinstance(decoder, av.VideoCodecContext)
    return decoder


def _decode_packets(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    decoder: av.VideoCodecContext,
) -> Iterator[DecodedFrame]:
    """Yield each frame that decodes; damaged packets are skipped, a broken container ends it."""
    packets = container.demux(stream)
    damaged = False
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:
            return
        if packet is None:
            return
        try:
            decoded = decoder.decode(packet)
        except av.error.FFmpegError:
            damaged = True
            continue
        for frame in decoded:
            yield frame, damaged
            damaged = False
