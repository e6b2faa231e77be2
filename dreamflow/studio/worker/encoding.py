"""Previews as files that a browser shows."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

PNG_COMPRESSION = 1
"""Quick: the picture goes no further than to a browser on this machine."""
WEBP_QUALITY = 85


@dataclass(frozen=True)
class EncodedPicture:
    """A picture's file, and its size in pixels."""

    image: bytes
    media_type: str
    width: int
    height: int


def encode_png(picture: np.ndarray) -> EncodedPicture:
    """Return a picture (H, W, 3) uint8 RGB as a PNG."""
    height, width = picture.shape[:2]
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", compress_level=PNG_COMPRESSION)
    return EncodedPicture(file.getvalue(), "image/png", width, height)


def encode_webp(pictures: Sequence[np.ndarray], frame_ms: float) -> EncodedPicture:
    """Return pictures (H, W, 3) uint8 RGB as a WebP that repeats for ever, evenly timed."""
    first, *others = [Image.fromarray(picture) for picture in pictures]
    file = io.BytesIO()
    first.save(
        file,
        "WEBP",
        save_all=True,
        append_images=others,
        duration=max(1, round(frame_ms)),
        loop=0,
        quality=WEBP_QUALITY,
        method=0,
    )
    height, width = pictures[0].shape[:2]
    return EncodedPicture(file.getvalue(), "image/webp", width, height)
