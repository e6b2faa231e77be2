"""The frames of a source with their originals, in the coding of an output."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dreamflow.media.depth.original import PictureOriginal
from dreamflow.media.depth.read import as_deep_picture, read_deep_picture
from dreamflow.media.depth.write import DeepOutput
from dreamflow.media.read.sequences.picture_folder import (
    PictureFolderInfo,
    read_deep_picture_folder,
)
from dreamflow.media.read.sequences.picture_stand_ins import PictureSequence
from dreamflow.media.read.video.video_info import IndexedPictures, VideoInfo
from dreamflow.media.resize import resize_picture

IndexedOriginals = Iterator[tuple[int, np.ndarray, PictureOriginal]]
"""(frame number, uint8 (H, W, 3) RGB proxy, original) in display order."""


def read_deep_sample(info: VideoInfo | PictureFolderInfo) -> PictureOriginal:
    """Return the original of a source's first picture, which tells how deep it is."""
    if not isinstance(info, PictureFolderInfo):
        return as_deep_picture(np.zeros((1, 1, 3), np.uint8)).original
    files = PictureSequence(info.files, lambda path: read_deep_picture(path, layer=info.exr_layer))
    return files.read(0).original


def read_folder_originals(
    info: PictureFolderInfo, first: int, stop: int, size: tuple[int, int], output: DeepOutput
) -> IndexedOriginals:
    """Yield the frames of a folder of pictures from `first` up to, not including, `stop`.

    Args:
        info: The folder.
        first: Number of the first frame.
        stop: Number after the last frame.
        size: (width, height) of the frames.
        output: Says the coding of the originals.

    Raises:
        MediaError: As `read_picture_folder`.
    """
    black = as_deep_picture(np.zeros((info.height, info.width, 3), np.uint8))
    for index, picture in read_deep_picture_folder(info, first, stop):
        deep = picture or black
        original = output.prepare(deep.original.resized(*size))
        yield index, resize_picture(deep.proxy, *size), original


def add_originals(pictures: IndexedPictures, output: DeepOutput) -> IndexedOriginals:
    """Yield 8-bit pictures with what they are in the coding of an output."""
    for index, picture in pictures:
        yield index, picture, output.prepare(as_deep_picture(picture).original)
