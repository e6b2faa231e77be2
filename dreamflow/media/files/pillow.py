"""Opening picture files with Pillow, without its own limit of size."""

from __future__ import annotations

import io
import struct
import threading
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from dreamflow.core.errors import MediaError
from dreamflow.core.files.regular_file import check_regular_file

PILLOW_FORMATS = (
    *("PNG", "JPEG", "WEBP", "TIFF", "BMP", "PPM", "TGA", "JPEG2000", "AVIF", "GIF", "PSD"),
)
"""Formats that are opened; others start programs (EPS), or are no pictures."""
PILLOW_READ_ERRORS = (
    *(OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, AttributeError),
    *(ArithmeticError, RuntimeError, MemoryError, struct.error, Image.DecompressionBombError),
)
"""What Pillow's plugins raise for damaged files; some are slips of theirs on odd bytes."""
ANIMATION_FORMATS = frozenset({"PNG", "WEBP", "AVIF"})
"""Formats whose further frames are an animation's; those of MPO and TIFF are other pictures."""
MAX_ANIMATION_PIXELS = 2**26
"""Pixels of an animation's canvas at most: 8192x8192. Each frame is laid on all of it, and a header
of a few bytes can ask for billions, at half a minute and 5 GB a frame."""
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
    """Open a regular picture file of any size; an animation's is bounded.

    Raises:
        PILLOW_READ_ERRORS: It cannot be opened.
        MediaError: It is an animation of more than `MAX_ANIMATION_PIXELS`.
    """
    check_regular_file(path)
    with pillow_unlimited():
        image = Image.open(path, formats=PILLOW_FORMATS)
    with image:
        width, height = image.size
        if is_animation(image) and width * height > MAX_ANIMATION_PIXELS:
            raise MediaError(
                f"{path} is an animation of {width}x{height}, of more than "
                f"{MAX_ANIMATION_PIXELS:,} pixels: give its frames as a folder of pictures",
                where=str(path),
            )
        yield image


def open_png(content: bytes) -> Image.Image:
    """Open a PNG from a page, not too large for Pillow. Raises PILLOW_READ_ERRORS."""
    return Image.open(io.BytesIO(content), formats=("PNG",))


def is_animation(image: Image.Image) -> bool:
    """Return whether an open picture is an animation: its further frames are no other pictures."""
    return image.format in ANIMATION_FORMATS and is_animated(image)


def is_animated(image: Image.Image) -> bool:
    """Return whether an open picture has more than one frame."""
    return bool(getattr(image, "is_animated", False))
