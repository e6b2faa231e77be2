"""Opening picture files with Pillow."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

PILLOW_READ_ERRORS = (OSError, SyntaxError, ValueError, MemoryError, Image.DecompressionBombError)
"""What Pillow raises for a file that it cannot open, or that claims an absurd size."""


@contextmanager
def allow_large_pictures() -> Generator[None]:
    """Silence Pillow's warning about large pictures while the block runs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        yield


@contextmanager
def open_image(path: Path) -> Generator[Image.Image]:
    """Open a picture file of any size. Raises one of PILLOW_READ_ERRORS."""
    with allow_large_pictures(), Image.open(path) as image:
        yield image


def is_animated(image: Image.Image) -> bool:
    """Return whether an open picture has more than one frame."""
    return bool(getattr(image, "is_animated", False))
