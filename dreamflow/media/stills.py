"""Single pictures, read and written."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from dreamflow.core.errors import DreamFlowWarning, MediaError, OutputError
from dreamflow.media.atomic_file import make_write_error

READABLE_PICTURE_SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm"}
)
WRITABLE_PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
PILLOW_ALPHA_MODES = frozenset({"RGBA", "LA", "PA"})
PILLOW_16_BIT_MODES = frozenset({"I;16", "I;16B", "I;16L", "I;16N", "I"})
ALPHA_PICTURE_SUFFIXES = (".png", ".webp", ".tif", ".tiff")
"""Of the suffixes written, those whose pictures can have transparency."""
DEFAULT_JPEG_QUALITY = 95
IMAGE_DESCRIPTION_TAG = 270
"""EXIF's and TIFF's ImageDescription."""


def is_picture(path: Path) -> bool:
    """Return whether a path's suffix is that of a single picture. An animated WebP counts too."""
    return path.suffix.lower() in READABLE_PICTURE_SUFFIXES


def is_still(path: Path) -> bool:
    """Return whether a path is a file of a single picture, and no animated WebP."""
    if not is_picture(path) or not path.is_file():
        return False
    try:
        with open_image(path) as image:
            return image.format != "WEBP" or not is_animated(image)
    except PILLOW_READ_ERRORS:
        return True


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Open a picture with Pillow, of any size. Raises one of `DAMAGED`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        with Image.open(path) as image:
            yield image


def is_animated(image: Image.Image) -> bool:
    """Return whether an open picture has more than one frame."""
    return bool(getattr(image, "is_animated", False))


PILLOW_READ_ERRORS = (OSError, SyntaxError, ValueError, MemoryError, Image.DecompressionBombError)
"""What Pillow raises for a file that it cannot open, or that claims an absurd size."""


def read_picture(path: str | Path, warn_of_alpha: bool = True) -> np.ndarray:
    """Return a picture as uint8 (H, W, 3) RGB, turned as its EXIF data says.

    Transparency is dropped, with a warning where that is wanted; 16 bits become 8. Raises
    MediaError where the file is missing, no picture, cut short, or larger than memory allows.
    """
    path = Path(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            facts = iio.immeta(path, plugin="pillow", exclude_applied=False)
            mode = facts.get("mode", "RGB")
            if mode in PILLOW_16_BIT_MODES:
                grey = iio.imread(path, plugin="pillow", index=0, rotate=True).astype(np.float64)
                levels = np.clip(grey / 257.0, 0, 255).round().astype(np.uint8)
                return np.repeat(levels[..., None], 3, axis=2)
            picture = iio.imread(path, plugin="pillow", index=0, rotate=True, mode="RGB")
    except FileNotFoundError as error:
        raise MediaError(f"{path} does not exist") from error
    except Image.DecompressionBombError as error:
        raise MediaError(f"{path} cannot be read as a picture: {_first_line(error)}") from error
    except (OSError, SyntaxError, ValueError, MemoryError) as error:
        if not _is_known_format(path):
            raise MediaError(f"{path} cannot be read as a picture: it is none") from error
        raise MediaError(f"{path} is damaged or cut short: {_first_line(error)}") from error
    if warn_of_alpha and (mode in PILLOW_ALPHA_MODES or "transparency" in facts):
        warnings.warn(f"{path.name} has transparency, which is not kept", DreamFlowWarning, 2)
    return np.ascontiguousarray(picture)


def read_alpha(path: Path) -> np.ndarray | None:
    """Return the transparency of a picture that can be read, uint8 (H, W), or None."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        facts = iio.immeta(path, plugin="pillow", exclude_applied=False)
        if facts.get("mode") not in PILLOW_ALPHA_MODES and "transparency" not in facts:
            return None
        return iio.imread(path, plugin="pillow", index=0, rotate=True, mode="RGBA")[..., 3]


def _is_known_format(path: Path) -> bool:
    """Return whether a file begins like a picture of any format."""
    try:
        with Image.open(path):
            return True
    except UnidentifiedImageError:
        return False
    except PILLOW_READ_ERRORS:
        return True


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def write_picture(
    path: str | Path, picture: np.ndarray, comment: str = "", quality: int = DEFAULT_JPEG_QUALITY
) -> None:
    """Write a uint8 (H, W, 3) RGB or (H, W, 4) RGBA picture as the suffix says.

    comment: text kept in the file (PNG text, JPEG comment, EXIF description). quality: of a JPEG,
    1 to 95. The file appears whole or not at all.
    Raises OutputError.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in WRITABLE_PICTURE_SUFFIXES:
        raise OutputError(f"{path}: pictures are written as {', '.join(WRITABLE_PICTURE_SUFFIXES)}")
    options: dict[str, Any] = {}
    if suffix == ".png" and comment:
        info = PngInfo()
        info.add_itxt("Comment", comment)
        options["pnginfo"] = info
    elif suffix in (".jpg", ".jpeg"):
        options = {"quality": quality, "subsampling": 0, "comment": comment.encode()}
    elif suffix == ".webp":
        options = {"lossless": True, "exact": True, "exif": make_exif_description(comment)}
    else:
        options = {"tiffinfo": {IMAGE_DESCRIPTION_TAG: comment.encode("ascii", "replace").decode()}}
    part = temporary_path(path, "part")
    try:
        iio.imwrite(part, picture, plugin="pillow", **options)
        part.replace(path)
    except OSError as error:
        raise make_write_error(path, error) from error
    finally:
        part.unlink(missing_ok=True)


def make_exif_description(comment: str) -> bytes:
    """Return EXIF data that holds a comment."""
    exif = Image.Exif()
    exif[IMAGE_DESCRIPTION_TAG] = comment
    return exif.tobytes()


def temporary_path(path: Path, label: str, suffix: str | None = None) -> Path:
    """Return `dream.4711.WORD.mp4` for `dream.mp4`: beside it, and of this process alone.

    A long name is cut, so that the longer one is allowed where the first is.
    """
    stem = path.stem[:40]
    return path.with_name(
        f"{stem}.{os.getpid()}.{label}{path.suffix if suffix is None else suffix}"
    )


def read_comment(path: Path) -> str:
    """Return the text kept in a picture by `write_picture`, or an empty string."""
    try:
        with Image.open(path) as image:
            text = image.info.get("Comment") or image.info.get("comment") or ""
            text = text or image.getexif().get(IMAGE_DESCRIPTION_TAG, "")
    except PILLOW_READ_ERRORS:
        return ""
    return text.decode(errors="replace") if isinstance(text, bytes) else str(text)
