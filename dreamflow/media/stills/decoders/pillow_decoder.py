"""Decoding stills with Pillow: PNG, JPEG, WebP, TIFF, AVIF, JPEG 2000 and others."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from dreamflow.media.files.pillow import (
    PILLOW_READ_ERRORS,
    is_animation,
    open_image,
    pillow_unlimited,
)
from dreamflow.media.stills.decoded_picture import LEVELS_16_PER_8_BIT, DecodedPicture
from dreamflow.media.stills.icc_profiles import BAD_PROFILE_NOTE, convert_to_srgb
from dreamflow.media.stills.memory import check_picture_memory

EXIF_ORIENTATION_TAG = 274
TRANSPOSING_ORIENTATIONS = frozenset({5, 6, 7, 8})
"""EXIF orientations that turn a picture on its side."""
GREY_16_BIT_MODES = frozenset({"I;16", "I;16B", "I;16L", "I;16N", "I"})
ALPHA_MODES = frozenset({"RGBA", "LA", "PA", "RGBa", "La"})
STRAIGHT_MODES = {"RGBa": "RGBA", "La": "LA"}
"""Modes of colours multiplied by alpha, and those that their samples are handled as."""
ANIMATION_NOTE = "it is an animation, of which the first frame is taken"
DRAFT_MIN_PIXELS = 40_000_000
"""Pixels from which on a JPEG is scaled down while it is decoded, where a smaller one will do."""


def read_pillow_size(path: Path) -> tuple[int, int]:
    """Return the (width, height) of a picture as displayed, from its header.

    Raises:
        PILLOW_READ_ERRORS: It cannot be read.
    """
    with open_image(path) as image, pillow_unlimited():
        width, height = image.size
        # PNG's EXIF data may follow the pixels, which `getexif` would decode.
        has_exif = image.format != "PNG" or "exif" in image.info
        return (height, width) if has_exif and _lies_on_its_side(image) else (width, height)


def is_animated_picture(path: Path) -> bool:
    """Return whether a picture file holds an animation.

    Raises:
        PILLOW_READ_ERRORS: It cannot be read.
    """
    with open_image(path) as image, pillow_unlimited():
        return is_animation(image)


def may_be_transparent(path: Path) -> bool:
    """Return whether a picture file has a channel or colour for transparency, by its header.

    Raises:
        PILLOW_READ_ERRORS: It cannot be read.
    """
    with open_image(path) as image:
        return image.mode in ALPHA_MODES or image.mode == "P" or "transparency" in image.info


def decode_with_pillow(path: Path, at_least: tuple[int, int] | None = None) -> DecodedPicture:
    """Decode a picture file, upright and in sRGB.

    Args:
        path: The file.
        at_least: (width, height) that will do; a large JPEG may be decoded smaller than it is, but
            not smaller than this. None is full size.

    Raises:
        MediaError: The picture is larger than memory allows.
        PILLOW_READ_ERRORS: It is damaged.
    """
    with open_image(path) as image, pillow_unlimited():
        if at_least and image.width * image.height >= DRAFT_MIN_PIXELS:
            # `at_least` is of the picture as displayed; JPEG alone has drafts.
            width, height = at_least
            image.draft(None, (height, width) if _lies_on_its_side(image) else (width, height))
        check_picture_memory(path, image.width, image.height)
        animated = is_animation(image)
        profile = image.info.get("icc_profile")
        is_premultiplied = _keep_multiplied(image)
        image.load()
        _turn_upright(image)
        picture = decode_image(image, profile)
    if is_premultiplied:
        picture = replace(picture, is_premultiplied=True)
    if not animated:
        return picture
    return replace(picture, notes=(*picture.notes, ANIMATION_NOTE))


def decode_image(image: Image.Image, profile: bytes | None) -> DecodedPicture:
    """Return an open picture's pixels in sRGB."""
    if image.mode in GREY_16_BIT_MODES:
        image = _reduce_to_8_bits(image)
    is_premultiplied = image.mode in STRAIGHT_MODES
    if is_premultiplied:  # by its bytes: `convert` would divide by alpha
        image = Image.frombytes(STRAIGHT_MODES[image.mode], image.size, image.tobytes())
    alpha = _read_alpha(image)
    colours, profile_was_used = convert_to_srgb(image, profile)
    notes = () if profile_was_used else (BAD_PROFILE_NOTE,)
    return DecodedPicture(np.array(colours), alpha, is_premultiplied, notes)


def _keep_multiplied(image: Image.Image) -> bool:
    """Have Pillow leave colours that are multiplied by alpha as a TIFF has them, and say so.

    It would divide them while it decodes.
    """
    tiles: list[Any] = getattr(image, "tile", [])
    if image.format != "TIFF" or not any("RGBa" in str(tile.args) for tile in tiles):
        return False
    for number, tile in enumerate(tiles):
        layout, *others = tile.args
        tiles[number] = tile._replace(args=(layout.replace("RGBa", "RGBA"), *others))
    return True


def _read_alpha(image: Image.Image) -> np.ndarray | None:
    """Return the alpha, (H, W) uint8, or None where every pixel is opaque."""
    if image.mode not in ALPHA_MODES and "transparency" not in image.info:
        return None
    alpha = np.asarray(image.convert("RGBA").getchannel("A"))
    return alpha if int(alpha.min()) < 255 else None


def _reduce_to_8_bits(image: Image.Image) -> Image.Image:
    grey = np.asarray(image).astype(np.float32) / LEVELS_16_PER_8_BIT
    return Image.fromarray(np.clip(grey, 0, 255).round().astype(np.uint8))


def _lies_on_its_side(image: Image.Image) -> bool:
    try:
        return image.getexif().get(EXIF_ORIENTATION_TAG) in TRANSPOSING_ORIENTATIONS
    except PILLOW_READ_ERRORS:
        return False


def _turn_upright(image: Image.Image) -> None:
    """Turn a loaded picture as its EXIF data says; damaged EXIF data is ignored."""
    with contextlib.suppress(*PILLOW_READ_ERRORS):
        ImageOps.exif_transpose(image, in_place=True)
