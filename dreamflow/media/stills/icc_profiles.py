"""Colours of an ICC profile brought to sRGB, by littlecms."""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import Any, cast

import numpy as np
from PIL import Image, ImageCms

BAD_PROFILE_NOTE = "the colour profile is damaged or for other colours, and ignored"
COLOUR_SPACE_BY_MODE = {"RGB": "RGB", "L": "GRAY", "CMYK": "CMYK", "LAB": "Lab"}
"""Pillow's modes that are converted, and the colour space that a profile for them has."""
SRGB_TOLERANCE_LEVELS = 1
"""Largest change of a colour, in levels of 255, by a profile that counts as sRGB's own."""
GRID_LEVELS = 9
"""Levels of each channel of the colours that are compared with sRGB's."""


def convert_to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, bool]:
    """Convert a picture to sRGB.

    Args:
        image: Of any mode; alpha is left out.
        profile: An ICC profile, or None where the colours are sRGB's or have no known meaning.

    Returns:
        The picture in mode RGB, and whether the profile could be used; without one, True.
    """
    mode = _mode_of_colours(image.mode)
    if profile is not None:
        try:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
            # A grey picture may have an RGB profile: its levels are equal in all three.
            mode = "RGB" if mode == "L" and _colour_space(source) == "RGB" else mode
            return _apply(image, mode, _build_transform(profile, mode)), True
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            return convert_to_srgb(image, None)[0], False
    return _apply(image, mode, _build_transform(None, mode) if mode == "LAB" else None), True


def _mode_of_colours(mode: str) -> str:
    """Return the mode that a picture's colours are converted in, without alpha."""
    if mode in COLOUR_SPACE_BY_MODE:
        return mode
    return "L" if mode in ("1", "LA", "La") else "RGB"


def _apply(
    image: Image.Image, mode: str, transform: ImageCms.ImageCmsTransform | None
) -> Image.Image:
    colours = image if image.mode == mode else image.convert(mode)
    if transform is not None:
        return transform.apply(colours)
    return colours if mode == "RGB" else colours.convert("RGB")


def _colour_space(profile: ImageCms.ImageCmsProfile) -> str:
    # Pillow's stubs take it for a file.
    core = cast(Any, profile.profile)
    return str(core.xcolor_space).strip()


@lru_cache(maxsize=4)
def _build_transform(profile: bytes | None, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Return the transform from a profile to sRGB; None for sRGB itself.

    The rendering intent is the profile's own, as browsers and viewers have it.

    Raises:
        ImageCms.PyCMSError, OSError, ValueError, TypeError: The profile is damaged or not for this
            mode.
    """
    srgb = cast(Any, ImageCms.createProfile("sRGB"))
    if profile is None:
        lab = cast(Any, ImageCms.createProfile("LAB"))
        return ImageCms.buildTransform(lab, srgb, mode, "RGB")
    source = ImageCms.ImageCmsProfile(BytesIO(profile))
    if _colour_space(source) != COLOUR_SPACE_BY_MODE[mode]:
        raise ValueError(f"a profile of {_colour_space(source)} colours")
    intent = ImageCms.Intent(ImageCms.getDefaultIntent(source))
    transform = ImageCms.buildTransform(source, srgb, mode, "RGB", intent)
    return None if mode == "RGB" and _is_identity(transform) else transform


def _is_identity(transform: ImageCms.ImageCmsTransform) -> bool:
    """Return whether a transform of RGB changes nothing that can be seen."""
    levels = np.linspace(0, 255, GRID_LEVELS).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(GRID_LEVELS, -1, 3)
    converted = np.asarray(transform.apply(Image.fromarray(grid)))
    return int(np.abs(converted.astype(int) - grid).max()) <= SRGB_TOLERANCE_LEVELS
