"""Single still pictures: reading them as RGB and alpha, and writing them."""

from dreamflow.media.stills.read import (
    decode_picture,
    is_picture,
    is_still,
    read_alpha,
    read_fitted_picture,
    read_picture,
    read_picture_size,
)
from dreamflow.media.stills.write import (
    ALPHA_PICTURE_SUFFIXES,
    DEFAULT_JPEG_QUALITY,
    WRITABLE_PICTURE_SUFFIXES,
    write_picture,
)

__all__ = [
    "ALPHA_PICTURE_SUFFIXES",
    "DEFAULT_JPEG_QUALITY",
    "WRITABLE_PICTURE_SUFFIXES",
    "decode_picture",
    "is_picture",
    "is_still",
    "read_alpha",
    "read_fitted_picture",
    "read_picture",
    "read_picture_size",
    "write_picture",
]
