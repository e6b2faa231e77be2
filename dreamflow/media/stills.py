"""Single still pictures: reading them as RGB and alpha, and writing them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
from PIL import Image, UnidentifiedImageError

from dreamflow.core.errors import DreamFlowWarning, MediaError, OutputError
from dreamflow.media.atomic_file import make_write_error, temporary_path
from dreamflow.media.picture_comments import comment_save_options
from dreamflow.media.pillow import (
    PILLOW_READ_ERRORS,
    allow_large_pictures,
    check_picture_file,
    is_animated,
    open_image,
)

READABLE_PICTURE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm"}
)
WRITABLE_PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
ALPHA_PICTURE_SUFFIXES = (".png", ".webp", ".tif", ".tiff")
"""Those of WRITABLE_PICTURE_SUFFIXES whose pictures may be transparent."""
PILLOW_ALPHA_MODES = frozenset({"RGBA", "LA", "PA"})
PILLOW_16_BIT_MODES = frozenset({"I;16", "I;16B", "I;16L", "I;16N", "I"})
LEVELS_16_PER_8_BIT = 257.0
"""16-bit levels that make one 8-bit level: 65535 / 255."""
DEFAULT_JPEG_QUALITY = 95


def is_picture(path: Path) -> bool:
    """Return whether a path has the suffix of a picture file, animated WebP included."""
    return path.suffix.lower() in READABLE_PICTURE_SUFFIXES


def is_still(path: Path) -> bool:
    """Return whether a path is an existing picture file that is not animated."""
    if not is_picture(path) or not path.is_file():
        return False
    try:
        with open_image(path) as image:
            return image.format != "WEBP" or not is_animated(image)
    except PILLOW_READ_ERRORS:
        return True


def read_picture(path: str | Path, warn_of_alpha: bool = True) -> np.ndarray:
    """Read a picture file, rotated as its EXIF data says; 16 bits a channel become 8.

    Args:
        path: The file.
        warn_of_alpha: Whether to warn where transparency is dropped.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        MediaError: The file is missing, not a picture, cut short, or larger than memory allows.
    """
    path = Path(path)
    try:
        check_picture_file(path)
        with allow_large_pictures():
            properties = iio.immeta(path, plugin="pillow", exclude_applied=False)
            mode = properties.get("mode", "RGB")
            if mode in PILLOW_16_BIT_MODES:
                return _read_16_bit_grey(path)
            picture = iio.imread(path, plugin="pillow", index=0, rotate=True, mode="RGB")
    except FileNotFoundError as error:
        raise MediaError(f"{path} does not exist", where=str(path)) from error
    except PILLOW_READ_ERRORS as error:
        raise _make_read_error(path, error) from error
    if warn_of_alpha and (mode in PILLOW_ALPHA_MODES or "transparency" in properties):
        warnings.warn(f"{path.name} has transparency, which is not kept", DreamFlowWarning, 2)
    return np.ascontiguousarray(picture)


def _read_16_bit_grey(path: Path) -> np.ndarray:
    grey = iio.imread(path, plugin="pillow", index=0, rotate=True).astype(np.float64)
    levels = np.clip(grey / LEVELS_16_PER_8_BIT, 0, 255).round().astype(np.uint8)
    return np.repeat(levels[..., None], 3, axis=2)


def _make_read_error(path: Path, error: BaseException) -> MediaError:
    why = (str(error).splitlines() or [type(error).__name__])[0]
    if isinstance(error, Image.DecompressionBombError):
        return MediaError(f"{path} cannot be read as a picture: {why}", where=str(path))
    if isinstance(error, OSError) and error.strerror:
        message = f"{path} cannot be read: {error.strerror}"
        return MediaError(message, where=str(path))
    if not _is_known_format(path):
        message = f"{path} cannot be read as a picture: it is not in a known format"
        return MediaError(message, where=str(path))
    return MediaError(f"{path} is damaged or cut short: {why}", where=str(path))


def _is_known_format(path: Path) -> bool:
    """Return whether Pillow recognises the first bytes of a file."""
    try:
        with open_image(path):
            return True
    except UnidentifiedImageError:
        return False
    except PILLOW_READ_ERRORS:
        return True


def read_alpha(path: Path) -> np.ndarray | None:
    """Return the alpha of a readable picture file, (H, W) uint8, or None where it has none."""
    with allow_large_pictures():
        properties = iio.immeta(path, plugin="pillow", exclude_applied=False)
        if properties.get("mode") not in PILLOW_ALPHA_MODES and "transparency" not in properties:
            return None
        return iio.imread(path, plugin="pillow", index=0, rotate=True, mode="RGBA")[..., 3]


def write_picture(
    path: str | Path, picture: np.ndarray, comment: str = "", quality: int = DEFAULT_JPEG_QUALITY
) -> None:
    """Write a picture in the format of the path's suffix; the file appears complete or not at all.

    Args:
        path: A name with one of WRITABLE_PICTURE_SUFFIXES.
        picture: (H, W, 3) RGB or (H, W, 4) RGBA, uint8.
        comment: Text to keep in the file (PNG text, JPEG comment, EXIF description).
        quality: Quality of a JPEG, 1 to 95.

    Raises:
        OutputError: The suffix is not one of these, or the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in WRITABLE_PICTURE_SUFFIXES:
        allowed = ", ".join(WRITABLE_PICTURE_SUFFIXES)
        raise OutputError(
            f"{path}: pictures are written as {allowed}", allowed=allowed, where=str(path)
        )
    options: dict[str, Any] = comment_save_options(suffix, comment)
    if suffix in (".jpg", ".jpeg"):
        options = {"quality": quality, "subsampling": 0, **options}
    elif suffix == ".webp":
        options = {"lossless": True, "exact": True, **options}
    part = temporary_path(path, "part")
    try:
        iio.imwrite(part, picture, plugin="pillow", **options)
        part.replace(path)
    except OSError as error:
        raise make_write_error(path, error) from error
    finally:
        part.unlink(missing_ok=True)
