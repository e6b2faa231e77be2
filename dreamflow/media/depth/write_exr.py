"""Writing OpenEXR pictures with the format's own library."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from dreamflow.core.errors import OutputError
from dreamflow.media.depth.original import PictureOriginal
from dreamflow.media.files.atomic_file import replace_when_written
from dreamflow.media.options import PictureFileOptions
from dreamflow.media.stills.decoders.exr import import_openexr

RECORD_ATTRIBUTE = "dreamflow"
"""Attribute of the header that holds the settings, as JSON."""
HANDED_ON_TYPES = (str, int, float, tuple, np.ndarray, Fraction)
"""Types of a source's attributes that the library writes as it reads them."""


def write_exr(
    path: Path,
    picture: PictureOriginal,
    comment: str = "",
    options: PictureFileOptions | None = None,
    layers: Mapping[str, np.ndarray] | None = None,
) -> None:
    """Write a picture of linear light; the file appears complete or not at all.

    Colours with alpha are premultiplied, as the format has it.

    Args:
        path: The file.
        picture: float16 or float32; its data window and attributes are kept.
        comment: Settings to keep in the header.
        options: Compression.
        layers: Further channels over the picture's pixels, (H, W), by their full names.

    Raises:
        OutputError: The file cannot be written.
    """
    options = options or PictureFileOptions()
    library = import_openexr(path)
    rows, columns = picture.pixels.shape[:2]
    (x, y), (width, height) = picture.origin, picture.size
    header: dict[str, Any] = {
        name: value for name, value in picture.tags.items() if isinstance(value, HANDED_ON_TYPES)
    }
    numbers = (*picture.coding.primaries, picture.coding.white)
    if picture.coding.from_bt709 is not None or "chromaticities" in header:
        header["chromaticities"] = tuple(number for xy in numbers for number in xy)
    if comment:
        header[RECORD_ATTRIBUTE] = comment
    header |= {
        "compression": getattr(library, f"{_library_name(options.exr_compression)}_COMPRESSION"),
        "type": library.scanlineimage,
        "displayWindow": _window(0, 0, width, height),
        "dataWindow": _window(x, y, columns, rows),
    }
    channels = {name: picture.pixels[..., n] for n, name in enumerate("RGB")}
    channels |= {} if picture.alpha is None else {"A": picture.alpha}
    channels |= layers or {}
    buffer = BytesIO()
    try:
        # Into memory first: the library does not tell of a disk that is full.
        contiguous = {name: np.ascontiguousarray(samples) for name, samples in channels.items()}
        library.File(header, contiguous).write(buffer)
    except RuntimeError as error:
        raise OutputError(f"{path} cannot be written: {error}", where=str(path)) from error
    with replace_when_written(path) as part:
        part.write_bytes(buffer.getbuffer())


def read_exr_record(path: Path) -> str:
    """Return the settings in a file's header, "" where it has none or cannot be read."""
    try:
        with import_openexr(path).File(str(path), header_only=True) as file:
            return str(file.parts[0].header.get(RECORD_ATTRIBUTE, ""))
    except (OSError, RuntimeError, ValueError, IndexError):
        return ""


def _library_name(compression: str) -> str:
    return {"none": "NO"}.get(compression, compression.upper())


def _window(x: int, y: int, width: int, height: int) -> tuple[Any, Any]:
    ends = (x, y), (x + width - 1, y + height - 1)
    return np.array(ends[0], np.int32), np.array(ends[1], np.int32)
