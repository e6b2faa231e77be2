"""Decoding float stills (Radiance HDR, PFM, float TIFF) with OpenCV: linear light."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from dreamflow.core.errors import MediaError
from dreamflow.core.opencv import cv2
from dreamflow.media.files.pillow import pillow_unlimited
from dreamflow.media.stills.decoded_picture import DecodedPicture, grey_to_rgb
from dreamflow.media.stills.formats import CAMERA_RAW
from dreamflow.media.stills.memory import check_picture_memory

HEADER_BYTES = 8192
"""Bytes of a file in which the size of an HDR or PFM picture stands."""
HDR_SIZE = re.compile(rb"\n[-+](?:Y (?P<high>\d+) [-+]X|X (?P<wide>\d+) [-+]Y) (?P<other>\d+)\n")
"""Resolution line of a Radiance HDR header."""
PFM_SIZE = re.compile(rb"P[Ff]\s+(?P<other>\d+)\s+(?P<high>\d+)\s")
FLOAT_BYTES_PER_PIXEL = 48
"""Memory that reading takes for each pixel."""
MAX_METADATA_BYTES = 64 << 20
"""Bytes of a file that are read beside what its pixels can take."""
WIDTH_TAG, HEIGHT_TAG, SAMPLE_FORMAT_TAG, DNG_VERSION_TAG = 256, 257, 339, 50706
"""Tags of TIFF 6.0 and of DNG."""
TIFF_FLOAT = 3
"""SampleFormat of floating point numbers (TIFF 6.0, section 19)."""


def read_float_picture_size(path: Path) -> tuple[int, int]:
    """Return the (width, height) of an HDR or PFM picture, from its header.

    Raises:
        ValueError: The header is damaged.
        OSError: The file cannot be opened.
    """
    with path.open("rb") as file:
        data = file.read(HEADER_BYTES)
    found = HDR_SIZE.search(data) or PFM_SIZE.match(data)
    if not found:
        raise ValueError("no size in the header")
    sizes = found.groupdict()
    other = int(sizes["other"])
    return (int(sizes["wide"]), other) if sizes.get("wide") else (other, int(sizes["high"]))


def decode_float_picture(path: Path, size: tuple[int, int]) -> DecodedPicture:
    """Decode a float picture of (width, height) pixels.

    Raises:
        MediaError: It is larger than memory allows.
        ValueError: It is damaged.
    """
    check_picture_memory(path, *size, FLOAT_BYTES_PER_PIXEL)
    try:
        # From memory: OpenCV opens no path with letters beyond ASCII on some systems.
        most = size[0] * size[1] * FLOAT_BYTES_PER_PIXEL + MAX_METADATA_BYTES
        data = np.fromfile(path, np.uint8, count=min(path.stat().st_size, most))
        picture = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ValueError(error.err) from error
    if picture is None:
        raise ValueError("its pixels cannot be decoded")
    light = picture.astype(np.float32)
    if light.ndim == 2:
        return DecodedPicture(grey_to_rgb(light))
    alpha = light[..., 3] if light.shape[2] == 4 and bool((light[..., 3] < 1).any()) else None
    return DecodedPicture(np.ascontiguousarray(light[..., 2::-1]), alpha)


def read_float_tiff_size(path: Path) -> tuple[int, int] | None:
    """Return the (width, height) of a TIFF of floats, or None for another TIFF.

    Raises:
        MediaError: It is a camera's raw picture.
        PILLOW_READ_ERRORS: It is damaged.
    """
    with path.open("rb") as file, pillow_unlimited():
        tags = ImageFileDirectory_v2(file.read(8))
        file.seek(tags.next)
        tags.load(file)
    if DNG_VERSION_TAG in tags:
        raise MediaError(
            f"{path} is {CAMERA_RAW.name}, which is not read: convert it to PNG, TIFF or JPEG",
            where=str(path),
        )
    if TIFF_FLOAT not in np.atleast_1d(tags.get(SAMPLE_FORMAT_TAG, 1)):
        return None
    return int(tags[WIDTH_TAG]), int(tags[HEIGHT_TAG])
