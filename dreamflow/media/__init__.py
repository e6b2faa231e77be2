"""Clips and pictures in, films and pictures out. All of cv2's and FFmpeg's decoding is here."""

from dreamflow.media.clip import Clip, open_clip
from dreamflow.media.stills import is_picture, is_still, read_picture, write_picture
from dreamflow.media.writer import open_writer, write_video

__all__ = [
    "Clip",
    "is_picture",
    "is_still",
    "open_clip",
    "open_writer",
    "read_picture",
    "write_picture",
    "write_video",
]
