"""Decodes a clip's pictures from its source, in order, at its size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dreamflow.media.depth.read import DeepPicture
from dreamflow.media.depth.write import DeepOutput
from dreamflow.media.options import ClipOptions
from dreamflow.media.read.input_space import find_input_coding, read_in_space
from dreamflow.media.read.missing_frames import fill_missing_frames
from dreamflow.media.read.originals import IndexedOriginals, prepare_originals, read_folder_in_depth
from dreamflow.media.read.sequences.picture_folder import PictureFolderInfo, read_picture_folder
from dreamflow.media.read.video.decoder_choice import read_video
from dreamflow.media.read.video.deep_frames import read_deep_video
from dreamflow.media.read.video.video_info import IndexedPictures, VideoInfo
from dreamflow.media.resize import resize_picture
from dreamflow.media.sample_format import SampleFormat


@dataclass(frozen=True)
class PictureSource:
    """What pictures are decoded from, and which of them.

    Attributes:
        path: The file, folder or pattern.
        info: Its facts.
        options: How it is read.
        first: Number of the first picture.
        stop: Number after the last one.
        size: (width, height) that they are brought to.
    """

    path: Path
    info: VideoInfo | PictureFolderInfo
    options: ClipOptions
    first: int
    stop: int
    size: tuple[int, int]


def decode_pictures(source: PictureSource) -> IndexedPictures:
    """Yield each picture in 8 bits with its number; missing ones repeat the one before."""
    info, first, stop, options = source.info, source.first, source.stop, source.options

    if options.input_space is not None:
        shown = ((index, picture.proxy) for index, picture in _decode_deep(source, None))
        return ((index, resize_picture(one, *source.size)) for index, one in shown)

    def resize(decoded: IndexedPictures) -> IndexedPictures:
        return ((index, resize_picture(one, *source.size)) for index, one in decoded)

    if isinstance(info, PictureFolderInfo):
        return resize(read_picture_folder(info, first, stop))
    decoded = read_video(info, first, options.decoder, options.deinterlace)
    return fill_missing_frames(resize(decoded), source.path, first, stop)


def decode_originals(source: PictureSource, output: DeepOutput) -> IndexedOriginals:
    """Yield each picture with its number, in 8 bits and as the source has it."""
    return prepare_originals(_decode_deep(source, output.samples), source.size, output)


def _decode_deep(
    source: PictureSource, samples: SampleFormat | None
) -> Iterator[tuple[int, DeepPicture]]:
    """Yield each picture with its number, in depth, in the space that the options name."""
    info, first, stop, options = source.info, source.first, source.stop, source.options
    if isinstance(info, PictureFolderInfo):
        pictures = read_folder_in_depth(info, first, stop)
    else:
        decoded = read_deep_video(info, first, options.decoder, options.deinterlace, samples)
        pictures = fill_missing_frames(decoded, source.path, first, stop)
    coding = find_input_coding(options)
    return ((index, read_in_space(picture, coding)) for index, picture in pictures)
