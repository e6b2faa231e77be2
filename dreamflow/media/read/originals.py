"""The frames of a source with their originals, in the coding of an output."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import tee

import numpy as np

from dreamflow.media.depth.original import PictureOriginal
from dreamflow.media.depth.read import as_deep_picture, read_deep_picture
from dreamflow.media.depth.write import EXR_SUFFIX, DeepOutput, keeps_depth
from dreamflow.media.read.sequences.picture_folder import (
    PictureFolderInfo,
    read_deep_picture_folder,
)
from dreamflow.media.read.sequences.picture_stand_ins import PictureSequence
from dreamflow.media.read.video.video_info import IndexedPictures, VideoInfo
from dreamflow.media.resize import resize_picture

IndexedOriginals = Iterator[tuple[int, np.ndarray, PictureOriginal]]
"""(frame number, uint8 (H, W, 3) RGB proxy, original) in display order."""


def has_deep_frames(info: VideoInfo | PictureFolderInfo, output: DeepOutput) -> bool:
    """Return whether an output keeps more of a source's frames than their 8-bit pictures.

    The first picture of a folder tells how deep all are.
    """
    if not isinstance(info, PictureFolderInfo):
        return output.path.suffix.lower() == EXR_SUFFIX
    files = PictureSequence(info.files, lambda path: read_deep_picture(path, layer=info.exr_layer))
    first = files.read(0).original
    return first.alpha is not None or keeps_depth(output.path, first)


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
    read, kept = tee(read_deep_picture_folder(info, first, stop))
    originals = ((picture or black).original.resized(*size) for _, picture in kept)
    for (index, picture), original in zip(read, output.prepare_all(originals), strict=True):
        yield index, resize_picture((picture or black).proxy, *size), original


def add_originals(pictures: IndexedPictures, output: DeepOutput) -> IndexedOriginals:
    """Yield 8-bit pictures with what they are in the coding of an output."""
    shown, kept = tee(pictures)
    originals = output.prepare_all(as_deep_picture(picture).original for _, picture in kept)
    for (index, picture), original in zip(shown, originals, strict=True):
        yield index, picture, original
