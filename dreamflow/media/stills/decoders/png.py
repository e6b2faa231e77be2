"""PNG's own tags of colour and time, which Pillow leaves out."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dreamflow.core.opencv import cv2
from dreamflow.media.colour.primaries import find_matrix_to_bt709
from dreamflow.media.stills.coding_points import convert_code_points, converts_colours
from dreamflow.media.stills.decoded_picture import DecodedPicture, linear_to_srgb
from dreamflow.media.stills.decoders.pillow_decoder import decode_with_pillow

SIGNATURE_BYTES = 8
CHECKSUM_BYTES = 4
MAX_CHUNK_BYTES = 1 << 20
"""Longest chunk whose data is read: longer ones hold pixels or a profile."""
SRGB_GAMMA = 0.45455
"""gAMA of sRGB pictures (PNG, 11.3.2.1)."""
GAMMA_TOLERANCE = 0.02
"""Difference up to which a gAMA chunk counts as sRGB's."""
WHITE_CODE_16_BIT = 65535


def read_png_chunks(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """Yield (type, data) of a PNG's chunks in order; the data of long ones and of IDAT is empty.

    Ends where the file is cut short.

    Raises:
        OSError: The file cannot be opened.
    """
    with path.open("rb") as file:
        file.seek(SIGNATURE_BYTES)
        while len(header := file.read(8)) == 8:
            size, kind = struct.unpack(">I4s", header)
            is_read = size <= MAX_CHUNK_BYTES and kind != b"IDAT"
            data = file.read(size) if is_read else b""
            if is_read and len(data) < size:
                return
            file.seek(CHECKSUM_BYTES + (0 if is_read else size), 1)
            yield kind, data


def decode_png(path: Path) -> DecodedPicture:
    """Decode a PNG, upright and in sRGB, by the first of its tags that counts (PNG, 4.3).

    Raises:
        MediaError: It is larger than memory allows.
        PILLOW_READ_ERRORS: It is damaged.
    """
    picture = decode_with_pillow(path)
    tags: dict[bytes, bytes] = {}
    for kind, data in read_png_chunks(path):
        if kind == b"IDAT":
            break
        tags[kind] = data
    if len(tags.get(b"cICP", b"")) == 4:
        primaries, transfer = tags[b"cICP"][:2]
        if not converts_colours(primaries, transfer):
            return picture
        codes = picture.pixels.astype(np.uint16) * 257
        pixels, notes = convert_code_points(codes, primaries, transfer, WHITE_CODE_16_BIT)
        return DecodedPicture(pixels, picture.alpha, notes=(*picture.notes, *notes))
    if b"iCCP" in tags or b"sRGB" in tags or len(tags.get(b"gAMA", b"")) != 4:
        return picture
    pixels = _convert_gamma(picture.pixels, tags[b"gAMA"], tags.get(b"cHRM", b""))
    return DecodedPicture(pixels, picture.alpha, notes=picture.notes)


def _convert_gamma(pixels: np.ndarray, gama: bytes, chrm: bytes) -> np.ndarray:
    """Return (H, W, 3) uint8 RGB of a gAMA and a cHRM chunk in sRGB (PNG, 11.3.2)."""
    gamma = struct.unpack(">I", gama)[0] / 1e5
    matrix = _read_primaries(chrm)
    if gamma <= 0 or (matrix is None and abs(gamma - SRGB_GAMMA) <= GAMMA_TOLERANCE):
        return pixels
    levels = np.arange(256, dtype=np.float32) / 255
    light = (levels ** np.float32(1 / gamma))[pixels]
    light = light if matrix is None else cv2.transform(light, matrix)
    return np.rint(255 * linear_to_srgb(light)).astype(np.uint8)


def _read_primaries(chrm: bytes) -> np.ndarray | None:
    """Return the matrix of a cHRM chunk to BT.709's primaries; None for those, or without one."""
    if len(chrm) != 32:
        return None
    numbers = [number / 1e5 for number in struct.unpack(">8I", chrm)]
    white, *primaries = zip(numbers[::2], numbers[1::2], strict=True)
    return find_matrix_to_bt709(tuple(primaries), white)
