"""Decoding AVIF stills: with Pillow, and with libheif's reading of their colour tags."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from dreamflow.core.errors import DependencyError
from dreamflow.media.files.pillow import PILLOW_READ_ERRORS, open_image
from dreamflow.media.stills.coding_points import convert_code_points, converts_colours
from dreamflow.media.stills.decoded_picture import DecodedPicture
from dreamflow.media.stills.decoders.heif import open_primary, read_code_points
from dreamflow.media.stills.decoders.pillow_decoder import decode_with_pillow

WHITE_CODE_16_BIT = 65535


def decode_avif(path: Path) -> DecodedPicture:
    """Decode an AVIF picture, upright and in sRGB.

    Raises:
        MediaError: It is larger than memory allows.
        PILLOW_READ_ERRORS: It is damaged.
    """
    picture = decode_with_pillow(path)
    with open_image(path) as image:
        if image.info.get("icc_profile"):
            return picture
    try:
        primaries, transfer = read_code_points(open_primary(path))
    except (DependencyError, *PILLOW_READ_ERRORS):
        return picture  # a sequence's first picture is not one that libheif finds
    if not converts_colours(primaries, transfer):
        return picture
    codes = picture.pixels.astype(np.uint16) * 257
    pixels, notes = convert_code_points(codes, primaries, transfer, WHITE_CODE_16_BIT)
    return replace(picture, pixels=pixels, notes=(*picture.notes, *notes))
