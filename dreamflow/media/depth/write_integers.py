"""Writing PNG and TIFF pictures of 16 bits."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from dreamflow.core.errors import OutputError
from dreamflow.core.opencv import cv2
from dreamflow.media.depth.original import PictureOriginal
from dreamflow.media.files.atomic_file import replace_when_written

PNG_HEADER_BYTES = 33
"""Bytes of a PNG's signature and its IHDR chunk, behind which others may follow."""


def write_16_bit_picture(path: Path, picture: PictureOriginal, comment: str = "") -> None:
    """Write a picture of 16 bits as PNG or TIFF, by the path's suffix, with its colour tags.

    The file appears complete or not at all.

    Args:
        path: A name that ends in .png, .tif or .tiff.
        picture: uint16; its alpha is straight in a PNG.
        comment: Settings to keep in the file.

    Raises:
        OutputError: The file cannot be written.
    """
    with replace_when_written(path) as part:
        if path.suffix.lower() == ".png":
            part.write_bytes(_encode_png(path, picture, comment))
        else:
            _write_tiff(part, picture, comment)


def _encode_png(path: Path, picture: PictureOriginal, comment: str) -> bytes:
    planes = [picture.pixels[..., ::-1], *([] if picture.alpha is None else [picture.alpha])]
    try:
        _, encoded = cv2.imencode(".png", np.dstack(planes))
    except cv2.error as error:
        raise OutputError(f"{path} cannot be written: {error.err}", where=str(path)) from error
    content = encoded.tobytes()
    tags: Mapping[bytes, bytes] = picture.tags.get("png", {})
    chunks = dict(tags)
    if comment:
        # Keyword, no compression, no language, no translation (PNG, 11.3.3.4).
        chunks[b"iTXt"] = b"Comment\0\0\0\0\0" + comment.encode()
    added = b"".join(_png_chunk(kind, data) for kind, data in chunks.items())
    return content[:PNG_HEADER_BYTES] + added + content[PNG_HEADER_BYTES:]


def _png_chunk(kind: bytes, data: bytes) -> bytes:
    checksum = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def _write_tiff(path: Path, picture: PictureOriginal, comment: str) -> None:
    import tifffile  # loaded where one is written: other commands need not wait for it

    pixels, extra = picture.pixels, None
    if picture.alpha is not None:
        pixels = np.dstack([pixels, picture.alpha])
        extra = ["assocalpha" if picture.is_premultiplied else "unassalpha"]
    tifffile.imwrite(
        path,
        pixels,
        photometric="rgb",
        extrasamples=extra,
        compression="zlib",
        predictor=True,
        description=comment.encode("ascii", "backslashreplace").decode() or None,
        iccprofile=picture.tags.get("icc"),
        metadata=None,
        software=False,
    )
