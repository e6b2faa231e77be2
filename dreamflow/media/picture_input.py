"""Pictures as Python users hand them over: arrays, Pillow's images, files."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from dreamflow.core.errors import DreamFlowWarning, SettingsError
from dreamflow.media.stills import (
    LEVELS_16_PER_8_BIT,
    PILLOW_16_BIT_MODES,
    PILLOW_ALPHA_MODES,
    read_picture,
)

PictureInput = np.ndarray | Image.Image | str | Path
"""An array, uint8 (H, W, 3) RGB; an image of Pillow's; or the path of a picture."""


def as_picture(source: PictureInput) -> np.ndarray:
    """Return a picture as uint8 (H, W, 3) RGB.

    Args:
        source: An array of this kind, which is copied where it cannot be written to. An image is
            rotated as its EXIF data says, and loses its transparency, with a warning. A path is
            read.

    Raises:
        MediaError: The file cannot be read.
        SettingsError: It is none of these, or the array has another shape or type.
    """
    if isinstance(source, (str, Path)):
        return read_picture(source)
    if isinstance(source, Image.Image):
        return _from_image(source)
    allowed = "a uint8 array (height, width, 3) in RGB, a Pillow image or the path of a picture"
    is_array = isinstance(source, np.ndarray)  # pyright: ignore[reportUnnecessaryIsInstance]
    is_picture = is_array and source.dtype == np.uint8 and source.ndim == 3 and source.size > 0
    if is_picture and source.shape[2] == 3:
        return np.require(source, requirements=["C", "W"])
    shown = _describe(source)
    raise SettingsError(
        f"picture: {shown} cannot be dreamed; give {allowed}",
        setting="picture",
        value=shown,
        allowed=allowed,
    )


def _from_image(image: Image.Image) -> np.ndarray:
    image = ImageOps.exif_transpose(image)
    if image.mode in PILLOW_16_BIT_MODES:
        levels = np.asarray(image).astype(np.float64) / LEVELS_16_PER_8_BIT
        return np.repeat(levels.clip(0, 255).round().astype(np.uint8)[..., None], 3, axis=2)
    if image.mode in PILLOW_ALPHA_MODES or "transparency" in image.info:
        warnings.warn("the image has transparency, which is not kept", DreamFlowWarning, 3)
    return np.array(image.convert("RGB"))


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} with the shape {value.shape}"
    return f"a {type(value).__name__}"
