"""Reading a still picture in its own depth, and the 8-bit proxy that is dreamed."""

from __future__ import annotations

import struct
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from dreamflow.core.errors import ConvertedSourceWarning, MediaError
from dreamflow.core.opencv import cv2
from dreamflow.core.options.values import fit_size
from dreamflow.media.colour.hdr_tone_mapping import HDR_TRANSFER_BY_H273, PRIMARIES_XY_BY_H273
from dreamflow.media.colour.premultiplied import PREMULTIPLIED_NOTE, looks_premultiplied
from dreamflow.media.depth.codings import LINEAR_CODING, SDR_CODING, Coding
from dreamflow.media.depth.original import PictureOriginal
from dreamflow.media.files.pillow import open_image, pillow_unlimited
from dreamflow.media.resize import resize_picture
from dreamflow.media.stills.coding_points import tone_mapped_note
from dreamflow.media.stills.decoded_picture import (
    CLIPPED_NOTE,
    TRANSPARENCY_NOTE,
    DecodedPicture,
    grey_to_rgb,
)
from dreamflow.media.stills.decoders.exr import ExrPicture, read_chromaticities, read_exr
from dreamflow.media.stills.decoders.png import read_png_chunks
from dreamflow.media.stills.formats import EXR, PNG, TIFF, Content, FileKind
from dreamflow.media.stills.memory import check_picture_memory
from dreamflow.media.stills.read import decode_picture, identify_picture, read_errors_of

NOTES_OF_PROXY = (
    *(CLIPPED_NOTE, TRANSPARENCY_NOTE),
    *map(tone_mapped_note, HDR_TRANSFER_BY_H273.values()),
)
"""What the proxy loses, and the original does not."""
EXR_OWN_ATTRIBUTES = frozenset(
    {"channels", "compression", "dataWindow", "displayWindow", "lineOrder", "type", "tiles", "name"}
    | {"version", "chunkCount", "preview", "maxSamplesPerPixel", "view", "multiView", "dreamflow"}
)
"""Attributes that say how a file is laid out, or show its pixels, and are not handed on."""
PNG_COLOUR_CHUNKS = frozenset(
    {b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"pHYs", b"mDCV", b"cLLI"}
)
"""Chunks of a PNG that say what its numbers mean; its pixels' chunks come after them."""
PNG_BITS_BYTE = 8
"""Place in a PNG's IHDR of the bits of a sample (PNG, 11.2.1)."""
BITS_TAG, PHOTOMETRIC_TAG, ORIENTATION_TAG, EXTRA_SAMPLES_TAG, ICC_TAG = 258, 262, 274, 338, 34675
"""Tags of TIFF 6.0."""
GREY_OR_RGB = frozenset({1, 2})
"""Photometric interpretations of TIFF whose numbers are handed on."""
ASSOCIATED_ALPHA = 1
"""ExtraSamples of premultiplied alpha (TIFF 6.0, section 18)."""
DEEP_BYTES_PER_PIXEL = 48
"""Memory that reading takes for each pixel: 16-bit or float, with a copy, and the proxy."""
TURNS_BY_ORIENTATION = {1: (0, False), 2: (0, True), 3: (2, False), 4: (2, True)} | {
    5: (3, True),
    6: (3, False),
    7: (1, True),
    8: (1, False),
}
"""Quarter turns to the left, and whether it is mirrored after them, by EXIF orientation."""


class DeepPicture(NamedTuple):
    """A picture in two forms.

    Attributes:
        proxy: (H, W, 3) uint8 RGB, as it is displayed in SDR; it is dreamed.
        original: The picture in its own depth, which the dream is added to.
        notes: What reading lost or assumed.
    """

    proxy: np.ndarray
    original: PictureOriginal
    notes: tuple[str, ...]


def read_deep_picture(
    path: Path, size: str | None = None, layer: str | None = None, alpha: str = "auto"
) -> DeepPicture:
    """Read a picture in its own depth.

    Where it is transparent, the proxy has the colours that it has when it is opaque.

    Args:
        path: The file.
        size: WIDTHxHEIGHT to fit into, or N for the longer side; None keeps the size.
        layer: Layer of an OpenEXR file; None is the main one.
        alpha: How its colours are taken, as the setting of that name.

    Raises:
        MediaError: The file is missing, not a picture, cut short, or larger than memory allows.
        SettingsError: There is no such layer.
        DependencyError: The library that reads its format is not installed.
    """
    with read_errors_of(path):
        kind = identify_picture(path)
        if kind is EXR:
            picture = read_exr(path, layer)
            decoded, original = picture.decode(), _from_exr(picture)
            left_out = picture.left_out_note
        else:
            decoded, left_out = decode_picture(path), ()
            original = _read_samples(path, kind, decoded) or _from_decoded(decoded)
    original = original.associated(alpha)
    proxy, notes = _with_depth_of(original, decoded.associated(alpha)).unpremultiplied().to_rgb8()
    notes = (*(note for note in notes if note not in NOTES_OF_PROXY), *left_out)
    if alpha == "auto" and original.alpha is not None and not original.is_premultiplied:
        doubtful = looks_premultiplied(original.pixels, original.alpha)
        notes = (*notes, PREMULTIPLIED_NOTE) if doubtful else notes
    width, height = fit_size(size, *original.size)
    if original.size != (width, height):
        original = original.resized(width, height)
    return DeepPicture(resize_picture(proxy, width, height), original, notes)


def has_deep_samples(path: Path) -> bool:
    """Return whether a picture has more than 8 bits a channel, by its header alone.

    False for a file that cannot be read: reading it says why.
    """
    try:
        kind = identify_picture(path)
        if kind is PNG:
            return next(read_png_chunks(path))[1].ljust(13, b"\0")[PNG_BITS_BYTE] > 8
        if kind is TIFF:
            return bool((np.atleast_1d(_read_tiff_tags(path).get(BITS_TAG, 1)) > 8).any())
    except (MediaError, OSError, SyntaxError, ValueError, StopIteration, struct.error):
        return False
    return kind is EXR or kind.content is Content.FLOAT_PICTURE


def as_deep_picture(picture: np.ndarray) -> DeepPicture:
    """Return an uint8 (H, W, 3) RGB picture, coded for a display, as a picture of this depth."""
    return DeepPicture(picture, PictureOriginal(picture, SDR_CODING), ())


def warn_of_notes(path: Path, picture: DeepPicture) -> None:
    """Warn of what reading a picture lost or assumed."""
    for note in picture.notes:
        warnings.warn(f"{path.name}: {note}", ConvertedSourceWarning, 2)


def _from_exr(picture: ExrPicture) -> PictureOriginal:
    *primaries, white = read_chromaticities(picture.header)
    tags = {k: v for k, v in picture.header.items() if k not in EXR_OWN_ATTRIBUTES}
    return PictureOriginal(
        picture.pixels,
        Coding("linear", tuple(primaries), white),
        picture.alpha,
        is_premultiplied=True,
        origin=picture.origin,
        frame_size=picture.display_size,
        tags=tags,
    )


def _from_decoded(decoded: DecodedPicture) -> PictureOriginal:
    """Return the original of a picture whose decoded samples are all that it has."""
    is_linear = decoded.pixels.dtype.kind == "f"
    alpha = decoded.alpha
    if alpha is not None and alpha.dtype != decoded.pixels.dtype:
        shares = alpha.astype(np.float32) / (255 if alpha.dtype == np.uint8 else 1)
        white = 1.0 if is_linear else float(np.iinfo(decoded.pixels.dtype).max)
        alpha = (shares * white if is_linear else np.rint(shares * white)).astype(
            decoded.pixels.dtype
        )
    coding = LINEAR_CODING if is_linear else SDR_CODING
    return PictureOriginal(decoded.pixels, coding, alpha, decoded.is_premultiplied)


def _with_depth_of(original: PictureOriginal, decoded: DecodedPicture) -> DecodedPicture:
    """Return a decoded picture with the samples of its original, where only their depth differs.

    Colours that are divided by alpha show the steps of 8 bits where alpha is small.
    """
    is_same = original.coding == SDR_CODING and not any(original.tags.values())
    if not (original.is_premultiplied and is_same and original.pixels.dtype == np.uint16):
        return decoded
    alpha = None if original.alpha is None else original.alpha / np.float32(original.white)
    return replace(decoded, pixels=original.pixels, alpha=alpha, is_premultiplied=True)


def _read_samples(path: Path, kind: FileKind, decoded: DecodedPicture) -> PictureOriginal | None:
    """Return a PNG or TIFF of 16 bits as the file has it; None for another picture."""
    if kind.content is not Content.PILLOW or kind not in (PNG, TIFF):
        return None
    if kind is PNG:
        chunks = _read_png_tags(path)
        is_deep = chunks.pop(b"IHDR", b"").ljust(13, b"\0")[PNG_BITS_BYTE] == 16
        coding, tags, is_premultiplied = _png_coding(chunks), {"png": chunks}, False
        orientation = _read_orientation(path)
    else:
        found = _read_tiff_tags(path)
        bits = np.atleast_1d(found.get(BITS_TAG, 1))
        is_deep = bool((bits == 16).all()) and found.get(PHOTOMETRIC_TAG) in GREY_OR_RGB
        extra = np.atleast_1d(found.get(EXTRA_SAMPLES_TAG, 0))
        is_premultiplied = bool(extra[0] == ASSOCIATED_ALPHA)
        coding, tags = SDR_CODING, {"icc": found[ICC_TAG]} if ICC_TAG in found else {}
        orientation = 1  # OpenCV turns TIFF pictures, and no others, when it decodes them
    if not is_deep:
        return None
    height, width = decoded.pixels.shape[:2]
    check_picture_memory(path, width, height, DEEP_BYTES_PER_PIXEL)
    samples = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if samples is None or samples.dtype != np.uint16:
        return None
    turns, is_mirrored = TURNS_BY_ORIENTATION.get(orientation, (0, False))
    samples = np.rot90(samples, turns)
    samples = samples[:, ::-1] if is_mirrored else samples
    if samples.shape[:2] != (height, width):
        return None
    if samples.ndim == 2:
        return PictureOriginal(grey_to_rgb(samples), coding, tags=tags)
    pixels = np.ascontiguousarray(samples[..., 2::-1])
    alpha = np.ascontiguousarray(samples[..., 3]) if samples.shape[2] == 4 else None
    return PictureOriginal(pixels, coding, alpha, is_premultiplied, tags=tags)


def _read_png_tags(path: Path) -> dict[bytes, bytes]:
    """Return a PNG's header and the chunks that say what its numbers mean, by their type."""
    tags: dict[bytes, bytes] = {}
    for kind, data in read_png_chunks(path):
        if kind == b"IDAT":
            break
        if kind == b"IHDR" or (kind in PNG_COLOUR_CHUNKS and data):
            tags[kind] = data
    return tags


def _png_coding(chunks: dict[bytes, bytes]) -> Coding:
    """Return the coding of a PNG by its code points (ITU-T H.273), sRGB's where it has none."""
    points = chunks.get(b"cICP", b"")
    if len(points) != 4:
        return SDR_CODING
    primaries = PRIMARIES_XY_BY_H273.get(points[0], SDR_CODING.primaries)
    return Coding(HDR_TRANSFER_BY_H273.get(points[1], "SDR"), primaries)


def _read_tiff_tags(path: Path) -> dict[int, Any]:
    with path.open("rb") as file, pillow_unlimited():
        tags = ImageFileDirectory_v2(file.read(8))
        file.seek(tags.next)
        tags.load(file)
        return dict(tags)


def _read_orientation(path: Path) -> int:
    with open_image(path) as image, pillow_unlimited():
        return int(image.getexif().get(ORIENTATION_TAG, 1))
