"""Decoding HEIF stills (.heic, .heif, .hif), tiled ones too, with libheif."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from dreamflow.core.errors import DependencyError
from dreamflow.media.stills.coding_points import convert_code_points, converts_colours
from dreamflow.media.stills.decoded_picture import DecodedPicture
from dreamflow.media.stills.decoders.pillow_decoder import decode_image
from dreamflow.media.stills.memory import check_picture_memory


def read_heif_size(path: Path) -> tuple[int, int]:
    """Return the (width, height) of a HEIF picture as displayed, from its header.

    Raises:
        DependencyError: pi-heif is not installed.
        PILLOW_READ_ERRORS: It is damaged.
    """
    return open_primary(path).size


def decode_heif(path: Path) -> DecodedPicture:
    """Decode the main picture of a HEIF file, upright and in sRGB.

    Raises:
        MediaError: It is larger than memory allows.
        DependencyError: pi-heif is not installed.
        PILLOW_READ_ERRORS: It is damaged.
    """
    picture = open_primary(path)
    check_picture_memory(path, *picture.size)
    primaries, transfer = read_code_points(picture)
    profile = picture.info.get("icc_profile") or None
    if profile is None and converts_colours(primaries, transfer):
        return _decode_code_points(path, primaries, transfer)
    return decode_image(picture.to_pillow(), profile)


def read_code_points(picture: Any) -> tuple[int, int]:
    """Return the code points of a HEIF picture's primaries and transfer; 0 where untagged."""
    tags: dict[str, Any] = picture.info.get("nclx_profile") or {}
    return (
        int(tags.get("color_primaries", 0)),
        int(tags.get("transfer_characteristics", 0)),
    )


def _decode_code_points(path: Path, primaries: int, transfer: int) -> DecodedPicture:
    picture = open_primary(path, in_8_bits=False)
    bits = int(picture.info.get("bit_depth", 8))
    pixels = np.asarray(picture)
    if pixels.dtype == np.uint8:
        pixels, white_code = pixels.astype(np.uint16) * 257, 65535
    else:
        white_code = (2**bits - 1) << (16 - bits)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    alpha = None
    if pixels.shape[2] == 4:
        alpha = np.rint(pixels[..., 3].clip(0, white_code) / white_code * 255).astype(np.uint8)
    rgb, notes = convert_code_points(
        np.ascontiguousarray(pixels[..., :3]), primaries, transfer, white_code
    )
    return DecodedPicture(rgb, alpha, notes=notes)


def open_primary(path: Path, in_8_bits: bool = True) -> Any:
    """Open the main picture of a file; its pixels are decoded where they are asked for.

    Args:
        path: A HEIF file; of an AVIF file the header can be read.
        in_8_bits: Whether pictures of more bits are reduced to 8.

    Raises:
        DependencyError: pi-heif is not installed, or cannot be loaded.
        PILLOW_READ_ERRORS: The file is damaged.
    """
    try:
        import pi_heif
    except ImportError as error:
        raise DependencyError(
            f"{path} is a HEIF picture, and the library that reads them cannot be loaded "
            f"({error}): pip install pi-heif, or convert it to JPEG or PNG",
            where=str(path),
        ) from error
    file: Any = pi_heif.open_heif(path, convert_hdr_to_8bit=in_8_bits)
    return file[file.primary_index]
