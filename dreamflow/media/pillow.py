"""Opening picture files with Pillow, without its own limit of size."""

from __future__ import annotations

import struct
import threading
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from dreamflow.core.regular_file import check_regular_file

PILLOW_FORMATS = (
    *("PNG", "JPEG", "WEBP", "TIFF", "BMP", "PPM", "TGA", "JPEG2000", "AVIF", "GIF", "PSD"),
)
"""Formats that are opened; others start programs (EPS), or are no pictures."""
PILLOW_READ_ERRORS = (
    *(OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, AttributeError),
    *(ArithmeticError, RuntimeError, MemoryError, struct.error, Image.DecompressionBombError),
)
"""What Pillow's plugins raise for damaged files; some are slips of theirs on odd bytes."""
_UNLIMITED = threading.RLock()
"""Held while Pillow's limit is lifted, which is one for the whole process."""


@contextmanager
def pillow_unlimited() -> Generator[None]:
    """Lift Pillow's limit of size while the block runs, and silence what its plugins warn of.

    See `check_picture_memory` for pictures that are too large for the machine. The warnings are of
    odd metadata. Not to be held while a generator yields.
    """
    with _UNLIMITED, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        limit = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


@contextmanager
def open_image(path: Path) -> Generator[Image.Image]:
    """Open a regular picture file of any size.

    Raises:
        PILLOW_READ_ERRORS: It cannot be opened.
    """
    check_regular_file(path)
    with pillow_unlimited():
        image = Image.open(path, formats=PILLOW_FORMATS)
    with image:
        yield image


def is_animated(image: Image.Image) -> bool:
    """Return whether an open picture has more than one frame."""
    return bool(getattr(image, "is_animated", False))
