"""The frames of a source with their originals, in the coding of an output."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import tee

import numpy as np

from dreamflow.core.errors import ConvertedSourceWarning
from dreamflow.media.depth.original import PictureOriginal
from dreamflow.media.depth.read import DeepPicture, as_deep_picture, read_deep_picture
from dreamflow.media.depth.write import EXR_SUFFIX, DeepOutput, keeps_depth
from dreamflow.media.read.sequences.picture_folder import (
    PictureFolderInfo,
    read_deep_picture_folder,
)
from dreamflow.media.read.sequences.picture_stand_ins import PictureSequence
from dreamflow.media.read.video.deep_frames import is_deep_film, is_hdr_film
from dreamflow.media.read.video.video_info import VideoInfo
from dreamflow.media.resize import resize_picture

IndexedOriginals = Iterator[tuple[int, np.ndarray, PictureOriginal]]
"""(frame number, uint8 (H, W, 3) RGB proxy, original) in display order."""


def has_deep_frames(info: VideoInfo | PictureFolderInfo, output: DeepOutput) -> bool:
    """Return whether an output keeps more of a source's frames than their 8-bit pictures.

    The first picture of a folder tells how deep all are. Pictures of whole numbers hold what SDR
    displays, so of an HDR film they are made of what it is tone-mapped to.
    """
    is_exr = output.path.suffix.lower() == EXR_SUFFIX
    if not isinstance(info, PictureFolderInfo):
        return is_exr or (is_deep_film(info) and not is_hdr_film(info))
    files = PictureSequence(info.files, lambda path: read_deep_picture(path, layer=info.exr_layer))
    first = files.read(0).original
    return first.alpha is not None or keeps_depth(output.path, first)


def read_folder_in_depth(
    info: PictureFolderInfo, first: int, stop: int
) -> Iterator[tuple[int, DeepPicture]]:
    """Yield (index, picture) of a folder of pictures, missing ones black.

    Raises:
        MediaError: As `read_picture_folder`.
    """
    black = as_deep_picture(np.zeros((info.height, info.width, 3), np.uint8))
    before: PictureOriginal | None = None
    for index, picture in _say_other_depths(read_deep_picture_folder(info, first, stop)):
        if picture is not None:
            before = picture.original
        elif before is not None:
            picture = DeepPicture(black.proxy, before.blackened(), ())
        yield index, picture or black


def prepare_originals(
    pictures: Iterator[tuple[int, DeepPicture]], size: tuple[int, int], output: DeepOutput
) -> IndexedOriginals:
    """Yield pictures as frames: their proxies, and their originals in the coding of an output.

    Args:
        pictures: (index, picture) in order.
        size: (width, height) of the frames.
        output: Says the coding of the originals.
    """
    shown, kept = tee(pictures)
    originals = output.prepare_all(picture.original.resized(*size) for _, picture in kept)
    for (index, picture), original in zip(shown, originals, strict=True):
        yield index, resize_picture(picture.proxy, *size), original


def _say_other_depths(
    pictures: Iterator[tuple[int, DeepPicture | None]],
) -> Iterator[tuple[int, DeepPicture | None]]:
    """Yield pictures; warns once where one has numbers of another type than those before it."""
    first = ""
    has_warned = False
    for index, picture in pictures:
        kind = picture.original.pixels.dtype.name if picture else first
        first = first or kind
        if kind != first and not has_warned:
            has_warned = True
            warnings.warn(
                f"frame {index} is of {kind} samples, and those before it are of {first}: each is "
                "kept as it is",
                ConvertedSourceWarning,
                2,
            )
        yield index, picture
