"""Choosing a decoder for a video file: PyAV, or OpenCV where it is asked for."""

from __future__ import annotations

from dreamflow.core.errors import MediaError, named
from dreamflow.media.read.video.animated_pictures import read_animated_picture
from dreamflow.media.read.video.opencv_decoder import read_with_opencv
from dreamflow.media.read.video.pyav_decoder import read_with_pyav
from dreamflow.media.read.video.video_info import IndexedPictures, VideoInfo


def read_video(
    info: VideoInfo, first: int = 0, decoder: str = "auto", deinterlace: str = "auto"
) -> IndexedPictures:
    """Yield (index, picture) of a video from frame `first` on, (H, W, 3) uint8 RGB.

    OpenCV 5.0 is not chosen by itself: it converts subsampled chroma without rounding, gives
    interlaced video black and AV1 not at all, aborts on raw video, and is not quicker where its
    colours are right.

    Args:
        info: The probed video.
        first: Number of the first frame to yield.
        decoder: "opencv", "pyav", or "auto", which is PyAV.
        deinterlace: "auto" for the frames that are marked as interlaced, "on" for all, "off".

    Raises:
        MediaError: OpenCV is asked for a raw video, on which it aborts.
    """
    if info.packets is None:
        return read_animated_picture(info, first)
    if decoder != "opencv":
        return read_with_pyav(info, first, deinterlace)
    if info.codec == "rawvideo":
        raise MediaError(
            f"{info.path} is raw video, on which OpenCV aborts; set {named('decoder')} to auto",
            setting="decoder",
            value=decoder,
            allowed="auto or pyav",
            where=str(info.path),
        )
    return read_with_opencv(info, first, deinterlace)
