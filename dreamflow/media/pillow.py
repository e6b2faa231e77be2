"""Opening picture files with Pillow."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from PIL import Image

from dreamflow.core.regular_file import check_regular_file

PILLOW_READ_ERRORS = (OSError, SyntaxError, ValueError, MemoryError, Image.DecompressionBombError)
"""What Pillow raises for a file that it cannot open, or that claims an absurd size."""


PICTURE_FORMATS = frozenset(
    {"AVIF", "BMP", "GIF", "HEIF", "JPEG", "MPO", "PNG", "PPM", "TIFF", "WEBP"}
)
"""Pillow's names of the formats that are opened. EPS, among others, would run another program."""


@lru_cache(maxsize=1)
def list_picture_formats() -> tuple[str, ...]:
    """Return those of PICTURE_FORMATS that the installed Pillow reads."""
    Image.init()
    return tuple(sorted(PICTURE_FORMATS & Image.OPEN.keys()))


@contextmanager
def allow_large_pictures() -> Generator[None]:
    """Silence Pillow's warning about large pictures while the block runs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


@contextmanager
def open_image(path: Path) -> Generator[Image.Image]:
    """Open a regular picture file of any size. Raises one of PILLOW_READ_ERRORS."""
    check_regular_file(path)
    with allow_large_pictures(), Image.open(path, formats=list_picture_formats()) as image:
        yield image


def check_picture_file(path: Path) -> None:
    """Check a file that a library opens as a picture. Raises one of PILLOW_READ_ERRORS."""
    with open_image(path):
        pass


def is_animated(image: Image.Image) -> bool:
    """Return whether an open picture has more than one frame."""
    return bool(getattr(image, "is_animated", False))
