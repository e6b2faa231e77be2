"""Writing single still pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np

from dreamflow.core.errors import OutputError
from dreamflow.media.files.atomic_file import replace_when_written
from dreamflow.media.records.picture_comments import comment_save_options

WRITABLE_PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
ALPHA_PICTURE_SUFFIXES = (".png", ".webp", ".tif", ".tiff")
"""Those of WRITABLE_PICTURE_SUFFIXES whose pictures may be transparent."""
DEFAULT_JPEG_QUALITY = 95


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
    with replace_when_written(path) as part:
        iio.imwrite(part, picture, plugin="pillow", **options)
