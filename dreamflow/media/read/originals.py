"""The frames of a source with their originals, in the coding of an output."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from itertools import tee

import numpy as np

from dreamflow.core.errors import ConvertedSourceWarning
from dreamflow.media.colour.carried_tags import H273_RGB, ColourTags
from dreamflow.media.colour.colour_tags import H273_UNSPECIFIED
from dreamflow.media.colour.hdr_tone_mapping import (
    H273_BT709,
    HDR_TRANSFER_BY_H273,
    PRIMARIES_XY_BY_H273,
)
from dreamflow.media.depth.codings import SDR_CODING, Coding
from dreamflow.media.depth.original import PictureOriginal
from dreamflow.media.depth.read import (
    DeepPicture,
    as_deep_picture,
    has_deep_samples,
    read_deep_picture,
)
from dreamflow.media.depth.write import EXR_SUFFIX, DeepOutput, find_output_coding
from dreamflow.media.options import FilmOptions
from dreamflow.media.read.input_space import find_input_coding
from dreamflow.media.read.sequences.picture_folder import (
    PictureFolderInfo,
    read_deep_picture_folder,
)
from dreamflow.media.read.sequences.picture_stand_ins import PictureSequence
from dreamflow.media.read.video.deep_frames import is_deep_film, is_hdr_film
from dreamflow.media.read.video.film_format import find_sample_format
from dreamflow.media.read.video.video_info import VideoInfo
from dreamflow.media.resize import resize_picture
from dreamflow.media.sample_format import SampleFormat
from dreamflow.media.write.deep_codecs import ALPHA_CODECS

HDR_TRANSFERS = {name: code for code, name in HDR_TRANSFER_BY_H273.items()}
"""Codes of the HDR transfer characteristics by their names."""
PACKED_FORMATS = {
    (False, True): "rgba",
    (True, False): "rgb48le",
    (True, True): "rgba64le",
}
"""FFmpeg's names of RGB as it lies in pictures, by whether it has 16 bits, and alpha."""
IndexedOriginals = Iterator[tuple[int, np.ndarray, PictureOriginal]]
"""(frame number, uint8 (H, W, 3) RGB proxy, original) in display order."""


def fit_to_source(
    output: DeepOutput | None, info: VideoInfo | PictureFolderInfo, options: FilmOptions
) -> DeepOutput | None:
    """Return an output as it keeps the depth of a source; None where 8-bit pictures have all of it.

    The deepest picture of a folder tells how deep all are. HDR counts by the bits that it has where
    it is tone-mapped to SDR.

    Args:
        output: The output; None where its format keeps 8 bits at most.
        info: The facts of the source.
        options: How it is read.

    Raises:
        SettingsError: A colour space is not known.
        DependencyError: It is one of OpenColorIO, which is not installed.
    """
    coding = find_input_coding(options)
    if output is None:
        return None
    if isinstance(info, PictureFolderInfo):
        return fit_to_picture(output, _read_deepest(info), coding)
    if output.is_film:
        return _fit_to_film(output, info, coding)
    is_hdr = coding.transfer in HDR_TRANSFERS if coding else is_hdr_film(info)
    suffix = output.path.suffix.lower()
    is_shown = not is_hdr or (output.keeps_hdr and suffix == ".png")
    is_deep = suffix == EXR_SUFFIX or (is_deep_film(info) and is_shown)
    return output if is_deep or output.options.output_space else None


def fit_to_picture(
    output: DeepOutput, picture: PictureOriginal, coding: Coding | None
) -> DeepOutput | None:
    """Return an output as it keeps the depth of pictures; None where 8 bits have all of it.

    Args:
        output: The output.
        picture: The deepest of the pictures.
        coding: What the options name for it; None where its file says it.
    """
    has_alpha = picture.alpha is not None
    if not output.is_film:
        return output if has_alpha or output.keeps_depth_of(picture) else None
    is_deep, samples = picture.pixels.dtype != np.uint8, None
    if is_deep or has_alpha:
        samples = _packed_format(is_deep, has_alpha, coding or picture.coding)
    return _fit_to_samples(output, samples, picture.coding.transfer, has_alpha, coding)


def _fit_to_film(output: DeepOutput, info: VideoInfo, coding: Coding | None) -> DeepOutput | None:
    """Return a film as it keeps the depth of another one; see `fit_to_source`."""
    samples = find_sample_format(info)
    if samples and coding:
        samples = replace(samples, tags=_name_light(samples.tags, coding))
    transfer = info.colour.hdr_transfer.transfer if info.colour.hdr_transfer else "SDR"
    return _fit_to_samples(output, samples, transfer, info.colour.has_alpha, coding)


def _fit_to_samples(
    output: DeepOutput,
    samples: SampleFormat | None,
    transfer: str,
    has_alpha: bool,
    coding: Coding | None,
) -> DeepOutput | None:
    """Return a film of samples of its source; None where 8-bit RGB of SDR has all of it.

    Transparency in a codec that has none is laid over black, in 8 bits.
    """
    space = output.options.output_space
    if space is not None:
        target = find_output_coding(space, coding or SDR_CODING)
        samples, transfer = _packed_format(True, has_alpha, target), "SDR"
    elif coding is not None:
        transfer = coding.transfer
    if samples is None or (transfer in HDR_TRANSFERS and not output.keeps_hdr):
        return None
    is_held = output.codec in ALPHA_CODECS or not samples.has_alpha
    return replace(output, samples=samples) if is_held else None


def _read_deepest(info: PictureFolderInfo) -> PictureOriginal:
    """Return the first picture of more than 8 bits, or else the first one."""
    files = PictureSequence(info.files, lambda path: read_deep_picture(path, layer=info.exr_layer))
    deep = (number for number, path in enumerate(info.files) if has_deep_samples(path))
    return files.read(next(deep, 0)).original


def _packed_format(is_deep: bool, has_alpha: bool, coding: Coding) -> SampleFormat:
    """Return the format of a film of RGB as it lies in pictures."""
    tags = _name_light(ColourTags(H273_RGB), coding)
    return SampleFormat(PACKED_FORMATS.get((is_deep, has_alpha), "rgb48le"), tags)


def _name_light(tags: ColourTags, coding: Coding) -> ColourTags:
    """Return tags with the primaries and the transfer of a coding; a config's have no code."""
    if coding.transfer not in ("SDR", "linear", *HDR_TRANSFERS):
        return replace(tags, primaries=H273_UNSPECIFIED, transfer=H273_UNSPECIFIED)
    primaries = next(
        (code for code, xy in PRIMARIES_XY_BY_H273.items() if xy == coding.primaries), H273_BT709
    )
    return replace(
        tags, primaries=primaries, transfer=HDR_TRANSFERS.get(coding.transfer, H273_BT709)
    )


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
    pictures: Iterator[tuple[int, DeepPicture]],
    size: tuple[int, int],
    output: DeepOutput,
) -> IndexedOriginals:
    """Yield pictures as frames: their proxies, and their originals in the coding of an output.

    Args:
        pictures: (index, picture) in order.
        size: (width, height) of the frames.
        output: Says the coding of the originals.
    """
    shown, kept = tee(pictures)
    resized = (picture.original.resized(*size) for _, picture in kept)
    originals = output.prepare_all(resized)
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
