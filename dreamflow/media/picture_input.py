"""Pictures as Python users hand them over: arrays, Pillow's images, files."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from dreamflow.core.errors import ConvertedSourceWarning, SettingsError
from dreamflow.media.stills.decoders.pillow_decoder import decode_image
from dreamflow.media.stills.read import read_picture

PictureInput = np.ndarray | Image.Image | str | Path
"""An array, uint8 (H, W, 3) RGB; an image of Pillow's; or the path of a picture."""


def as_picture(source: PictureInput) -> np.ndarray:
    """Return a picture as uint8 (H, W, 3) RGB.

    Args:
        source: An array of this kind, which is copied where it cannot be written to. An image is
            read as a file is: upright, in sRGB, its transparency laid over black with a warning.
            A path is read.

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
    upright = ImageOps.exif_transpose(image)
    decoded = decode_image(upright, image.info.get("icc_profile")).over_black()
    picture, notes = decoded.to_rgb8()
    for note in notes:
        warnings.warn(f"the image: {note}", ConvertedSourceWarning, 3)
    return picture


def _describe(value: Any) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} with the shape {value.shape}"
    return f"a {type(value).__name__}"
