"""Two readers of films behind one contract: OpenCV where it is right, PyAV where it is not.

A reader yields (index, picture) in display order from a first index on: uint8 (height, width, 3)
RGB, of the size that the probe told, rotated as displayed. It ends where nothing more decodes.
"""

from __future__ import annotations

import itertools
import re
import warnings
from collections.abc import Iterator

import av
import av.container
import av.error
import numpy as np

from dreamflow.core.errors import DreamFlowWarning, MediaError
from dreamflow.core.opencv import cv2
from dreamflow.media.read.animated_webp import WEBP_CODEC, read_webp
from dreamflow.media.read.deinterlace import BWDIF_LOOKBACK_FRAMES, DecodedFrame, deinterlace_frames
from dreamflow.media.read.probe import VideoInfo

IndexedPictures = Iterator[tuple[int, np.ndarray]]

LETTERBOX_ASPECT_TOLERANCE = 0.03
"""By which the shapes of two pictures may differ and be taken for the same."""
OPENCV_MAX_SKIPPED_FRAMES = 240
"""From here on it is quicker to seek with PyAV, which is exact, than to decode all before."""
SUBSAMPLED_CHROMA_FORMATS = re.compile("42[02]|41[01]|nv12|nv21|yuyv|uyvy")
"""Pixel formats for which OpenCV's conversion to RGB does not round."""
OPENCV_MEAN_TOLERANCE_LEVELS = 0.5
"""Levels of 255 by which the mean of a channel may be off for OpenCV to be used."""
OPENCV_PIXEL_TOLERANCE_LEVELS = 3.0
"""Levels of 255 by which pixels may be off, in the mean."""


def read_video(info: VideoInfo, first: int = 0, decoder: str = "auto") -> IndexedPictures:
    """Yield (index, picture) of a film from frame `first` on.

    decoder: "opencv", "pyav", or "auto": OpenCV where its colours are right, else PyAV.
    Raises MediaError for a film that OpenCV must not be given.
    """
    if info.codec == WEBP_CODEC:
        return read_webp(info, first)
    if decoder == "opencv" and info.codec == "rawvideo":
        raise MediaError(f"{info.path} is raw video, on which OpenCV aborts; use --decoder auto")
    far = first > OPENCV_MAX_SKIPPED_FRAMES
    if decoder == "pyav" or (decoder == "auto" and (far or not opencv_decodes_correctly(info))):
        return read_with_pyav(info, first)
    return read_with_opencv(info, first)


def opencv_decodes_correctly(info: VideoInfo) -> bool:
    """Return whether OpenCV can be expected to show a film as it is.

    Its wheels (5.0) were seen to show film of halved chroma 1 to 1.5 levels too dark, since they
    convert it without rounding; to abort the process on raw video; and to give black frames for
    interlaced film, none for AV1, BT.601 colours for untagged HD, and clipped ones for HDR. Most
    are known by the format, and the rest by the first frame, as PyAV shows it exactly.
    """
    if info.codec in ("rawvideo", "gif") or SUBSAMPLED_CHROMA_FORMATS.search(info.pixel_format):
        return False
    if info.is_interlaced or info.colour.hdr_transfer or info.colour.has_alpha:
        return False
    shown = next(read_with_opencv(info), None)
    right = next(read_with_pyav(info), None)
    if shown is None or right is None:
        return False
    error = shown[1].astype(np.float32) - right[1]
    off = np.abs(error.mean(axis=(0, 1))).max()
    return bool(
        off <= OPENCV_MEAN_TOLERANCE_LEVELS
        and np.abs(error).mean() <= OPENCV_PIXEL_TOLERANCE_LEVELS
    )


def read_with_opencv(info: VideoInfo, first: int = 0) -> IndexedPictures:
    """Yield (index, picture) as OpenCV decodes them."""
    capture = cv2.VideoCapture(str(info.path.absolute()), cv2.CAP_FFMPEG)
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
            yield (
                index,
                resize_picture(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), info.width, info.height),
            )
            index += 1
    finally:
        capture.release()


def read_with_pyav(info: VideoInfo, first: int = 0) -> IndexedPictures:
    """Yield (index, picture) as PyAV decodes them, by their time stamps: damaged ones are left out.

    Seeks to a key frame before `first`; where a container cannot do that, all is decoded.
    """
    frames = _decode_with_pyav(info, first)
    if first:
        head = next(frames, None)
        late = head is None or head[0] > first
        frames = (
            _decode_with_pyav(info, 0) if late or head is None else itertools.chain([head], frames)
        )
    changed = False
    for index, frame in frames:
        if index < first:
            continue
        picture = apply_orientation(info.colour.to_rgb(frame), info.orientation)
        height, width = picture.shape[:2]
        if not changed and (width, height) != (info.width, info.height):
            changed = True
            warnings.warn(
                f"{info.path.name} changes its size: frame {index} is {width}x{height}, and is "
                f"fitted into {info.width}x{info.height}",
                DreamFlowWarning,
                2,
            )
        yield index, letterbox(picture, info.width, info.height) if changed else picture


def _decode_with_pyav(info: VideoInfo, seek_to: int) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yield (index, frame) of a film, from a key frame before `seek_to` on where it is not 0."""
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
                # AVI's stamps are one off at times: a single step is believed after damage only.
                if last < 0 or after_damage or stamped > index + 1:
                    index = max(index, stamped)
            yield index, frame
            last = index


def _choose_decoder(info: VideoInfo, stream: av.VideoStream) -> av.VideoCodecContext:
    """Return what decodes a film; FFmpeg's own decoders of VP8 and VP9 pass over transparency."""
    libvpx = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(info.codec, "")
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
    """Yield what decodes, and whether something before it did not.

    A damaged packet is passed over; a container broken off ends it.
    """
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


def apply_orientation(picture: np.ndarray, orientation: tuple[int, int, int, int]) -> np.ndarray:
    """Return a picture (H, W, 3) turned and mirrored as its display matrix (a, b, c, d) says."""
    a, b, c, d = orientation
    if a == 0:
        picture = picture.transpose(1, 0, 2)
        a, d = c, b
    return np.ascontiguousarray(picture[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])


def letterbox(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return a picture at (width, height) pixels, between black bars where its shape is another."""
    high, wide = picture.shape[:2]
    if abs(wide * height / (high * width) - 1) < LETTERBOX_ASPECT_TOLERANCE:
        return resize_picture(picture, width, height)
    scale = min(width / wide, height / high)
    wide, high = max(1, round(wide * scale)), max(1, round(high * scale))
    left, top = (width - wide) // 2, (height - high) // 2
    box = np.zeros((height, width, 3), np.uint8)
    box[top : top + high, left : left + wide] = resize_picture(picture, wide, high)
    return box


def resize_picture(picture: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return a picture at (width, height) pixels: area-averaged down, bicubic up."""
    if picture.shape[:2] == (height, width):
        return np.ascontiguousarray(picture)
    smaller = width < picture.shape[1] or height < picture.shape[0]
    method = cv2.INTER_AREA if smaller else cv2.INTER_CUBIC
    return cv2.resize(np.ascontiguousarray(picture), (width, height), interpolation=method)
