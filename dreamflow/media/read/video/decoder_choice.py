"""Choosing a decoder for a video file: OpenCV where its pictures are right, else PyAV."""

from __future__ import annotations

import re

import numpy as np

from dreamflow.core.errors import MediaError, named
from dreamflow.media.read.video.animated_webp import WEBP_CODEC, read_webp
from dreamflow.media.read.video.opencv_decoder import read_with_opencv
from dreamflow.media.read.video.pyav_decoder import read_with_pyav
from dreamflow.media.read.video.video_info import IndexedPictures, VideoInfo

OPENCV_MAX_SKIPPED_FRAMES = 240
"""First frame up to which OpenCV, which must decode all before it, is not slower than PyAV, which
seeks exactly."""
SUBSAMPLED_CHROMA_FORMATS = re.compile("42[02]|41[01]|nv12|nv21|yuyv|uyvy")
"""Pixel formats that OpenCV converts to RGB without rounding."""
OPENCV_MEAN_TOLERANCE_LEVELS = 0.5
"""Largest difference of a channel's mean from PyAV's, in levels of 255."""
OPENCV_PIXEL_TOLERANCE_LEVELS = 3.0
"""Largest mean absolute difference of pixels from PyAV's, in levels of 255."""


def read_video(info: VideoInfo, first: int = 0, decoder: str = "auto") -> IndexedPictures:
    """Yield (index, picture) of a video from frame `first` on, (H, W, 3) uint8 RGB.

    Args:
        info: The probed video.
        first: Number of the first frame to yield.
        decoder: "opencv", "pyav", or "auto": OpenCV where its colours are right, else PyAV.

    Raises:
        MediaError: OpenCV is asked for a raw video, on which it aborts.
    """
    if info.codec == WEBP_CODEC:
        return read_webp(info, first)
    if decoder == "opencv" and info.codec == "rawvideo":
        raise MediaError(
            f"{info.path} is raw video, on which OpenCV aborts; set {named('decoder')} to auto",
            setting="decoder",
            value=decoder,
            allowed="auto or pyav",
            where=str(info.path),
        )
    far = first > OPENCV_MAX_SKIPPED_FRAMES
    if decoder == "pyav" or (decoder == "auto" and (far or not opencv_decodes_correctly(info))):
        return read_with_pyav(info, first)
    return read_with_opencv(info, first)


def opencv_decodes_correctly(info: VideoInfo) -> bool:
    """Return whether OpenCV gives a video's pictures as they are.

    Seen with OpenCV 5.0: subsampled chroma is converted without rounding, 1 to 1.5 levels too
    dark; raw video aborts the process; interlaced video is black; AV1 gives no frames; untagged
    HD is taken for BT.601; HDR is clipped. Formats exclude most of these, and a comparison of the
    first frame with PyAV's excludes the rest.
    """
    if info.codec in ("rawvideo", "gif") or SUBSAMPLED_CHROMA_FORMATS.search(info.pixel_format):
        return False
    if info.is_interlaced or info.colour.hdr_transfer or info.colour.has_alpha:
        return False
    candidate = next(read_with_opencv(info), None)
    reference = next(read_with_pyav(info), None)
    if candidate is None or reference is None:
        return False
    error = candidate[1].astype(np.float32) - reference[1]
    mean_error = np.abs(error.mean(axis=(0, 1))).max()
    return bool(
        mean_error <= OPENCV_MEAN_TOLERANCE_LEVELS
        and np.abs(error).mean() <= OPENCV_PIXEL_TOLERANCE_LEVELS
    )
