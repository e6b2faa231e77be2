"""A folder of photographs, read for training or measuring a network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dreamflow.core.errors import MediaError
from dreamflow.media.resize import resize_picture
from dreamflow.media.stills.read import is_picture, read_picture

MAX_PHOTOGRAPH_SIDE_PX = 320
"""Longer side to which photographs are scaled down."""


def load_photographs(folder: Path) -> list[np.ndarray]:
    """Return all pictures of a folder, at most `MAX_PHOTOGRAPH_SIDE_PX` wide and high.

    Args:
        folder: Pictures in it are read in the order of their names, so that a seed means the same
            on every machine.

    Returns:
        uint8 (H, W, 3) RGB each.

    Raises:
        MediaError: The folder holds no pictures, or one cannot be read.
    """
    paths = sorted(path for path in folder.iterdir() if is_picture(path)) if folder.is_dir() else []
    if not paths:
        raise MediaError(f"{folder} is not a folder with photographs", where=str(folder))
    photographs: list[np.ndarray] = []
    for path in paths:
        picture = read_picture(path)
        scale = min(1.0, MAX_PHOTOGRAPH_SIDE_PX / max(picture.shape[:2]))
        height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
        photographs.append(resize_picture(picture, width, height))
    return photographs
