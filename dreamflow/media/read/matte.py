"""Mattes: where the dream is shown, and how much of it. Black is nothing, white is all."""

from __future__ import annotations

import math
import warnings
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import numpy as np

from dreamflow.core.errors import DreamFlowWarning, SettingsError
from dreamflow.core.opencv import cv2
from dreamflow.media.read.decoders import resize_picture
from dreamflow.media.read.matte_files import MattePictures, MatteTarget, open_matte_pictures
from dreamflow.pipelines.settings.options import ShowOptions

SIGMAS_PER_10_90_EDGE = 2.5631
"""A step blurred by a Gaussian goes from a tenth to nine tenths over so many of its standard
deviations: twice the 0.9 quantile of the normal distribution."""
REDUCED_BLUR_SIGMA_PX = 6
"""A wider blur is made of a smaller picture: at this standard deviation nothing is lost by it."""
BLACK_TOLERANCE_LEVELS = 2
"""Levels of 255 that count as black where the part that is shown is looked for: films are noisy."""
CROP_MARGIN_PX = 48
"""What is dreamed around that part on each side, for its border is dreamed less well."""
MIN_CROP_SIDE_PX = 224
"""Its sides are no less: deep layers need to see what is around."""
MAX_CROP_AREA_SHARE = 0.8
"""A larger part of the picture is not worth being cut out."""
CropBox = tuple[slice, slice]
"""Rows and columns of a picture."""


class Matte:
    """A matte in step with a clip; ask it for the frames of the clip in their order."""

    def __init__(self, show: ShowOptions, frames: MatteTarget) -> None:
        """Open `show.matte`.

        Raises MediaError where it cannot be read, SettingsError where its shape is not that of the
        frames. Warns of one that ends before the frames do.
        """
        if show.matte is None:
            raise SettingsError("there is no --matte")
        self.path = Path(show.matte)
        self._options, self._target = show, frames
        self._pictures: MattePictures = open_matte_pictures(self.path, frames)
        self._cached_opacity: tuple[int, np.ndarray] | None = None
        check_matte_aspect(self.path, self._pictures.size, frames)
        if self._pictures.shortfall:
            warnings.warn(
                f"--matte {self.path} {self._pictures.shortfall}: its last one stays until the end",
                DreamFlowWarning,
                3,
            )

    @property
    def files(self) -> list[Path]:
        """The files that it is in."""
        return list(self._pictures.files)

    @property
    def source_paths(self) -> list[Path]:
        """What is read: the file, or the pictures' folders."""
        return list({self.path, *(file.parent for file in self._pictures.files[1:])})

    @cached_property
    def bounding_box(self) -> CropBox | None:
        """The part of the frames that has all that the matte ever shows, where it is to be cut out.

        None where all of them is dreamed. It is that of the whole file, whatever the span: so a
        part of a clip, and a preview, are dreamed as all of it is.
        """
        if not self._options.matte_crop:
            return None
        wide, high = self._pictures.size
        across, down = np.zeros(wide, bool), np.zeros(high, bool)
        for grey in self._pictures.read_all_grey():
            lit = (
                grey < 255 - BLACK_TOLERANCE_LEVELS
                if self._options.matte_invert
                else grey > BLACK_TOLERANCE_LEVELS
            )
            across |= lit.any(axis=0)
            down |= lit.any(axis=1)
        if not across.any():
            raise SettingsError(f"--matte {self.path} shows nothing of the dream")
        width, height = self._target.width, self._target.height
        reach = CROP_MARGIN_PX + 3 * feather_sigma_px(self._options.matte_feather, width, height)
        rows, columns = (
            padded_crop_span(down, height, reach),
            padded_crop_span(across, width, reach),
        )
        part = (rows.stop - rows.start) * (columns.stop - columns.start)
        return (rows, columns) if part <= MAX_CROP_AREA_SHARE * width * height else None

    def opacity_at(self, time: Fraction) -> np.ndarray:
        """Return how much of the dream is shown, float32 (H, W) in [0, 1].

        time: seconds from the first of the frames dreamed.
        """
        number = self._pictures.picture_number_at(self._target.start_time + time)
        if self._cached_opacity is None or self._cached_opacity[0] != number:
            grey = self._pictures.read_grey(number)
            made = (
                resize_picture(grey, self._target.width, self._target.height).astype(np.float32)
                / 255
            )
            if self._options.matte_invert:
                made = 1 - made
            self._cached_opacity = number, feather_edges(made, self._options.matte_feather)
        return self._cached_opacity[1]


def open_matte(show: ShowOptions, frames: MatteTarget) -> Matte | None:
    """Return the matte that the options name, or None. See `Matte` for what it raises."""
    return None if show.matte is None else Matte(show, frames)


def padded_crop_span(occupied: np.ndarray, size: int, margin: float) -> slice:
    """Return what holds all of a row or column that is lit, and `reach` pixels on each side.

    lit: bool (N,), over a length of `size` pixels.
    """
    found, scale = np.flatnonzero(occupied), size / len(occupied)
    first, last = found[0] * scale - margin, (found[-1] + 1) * scale + margin
    lacking = max(0.0, (min(MIN_CROP_SIDE_PX, size) - (last - first)) / 2)
    first, last = max(0, math.floor(first - lacking)), min(size, math.ceil(last + lacking))
    # At the border of the picture the rest is taken from the other side.
    first = max(0, min(first, last - MIN_CROP_SIDE_PX))
    return slice(first, max(last, min(size, first + MIN_CROP_SIDE_PX)))


def feather_sigma_px(feather_percent: float, width: int, height: int) -> float:
    """Return the standard deviation in pixels of a soft edge, given in percent."""
    return feather_percent / 100 * max(width, height) / SIGMAS_PER_10_90_EDGE


def feather_edges(matte: np.ndarray, feather_percent: float) -> np.ndarray:
    """Return a matte, float32 (H, W) in [0, 1], with soft edges: a Gaussian blur.

    width: over which an edge goes from a tenth to nine tenths, in percent of the longer side.
    """
    high, wide = matte.shape
    sigma = feather_sigma_px(feather_percent, wide, high)
    if sigma == 0:
        return matte
    scale = max(1, int(sigma / REDUCED_BLUR_SIGMA_PX))
    small = resize_picture(matte, max(1, round(wide / scale)), max(1, round(high / scale)))
    across, down = sigma * small.shape[1] / wide, sigma * small.shape[0] / high
    # Only what lies within four standard deviations counts: black farther away stays black.
    blurred = cv2.GaussianBlur(small, (0, 0), across, sigmaY=down, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(blurred, (wide, high), interpolation=cv2.INTER_LINEAR).clip(0, 1)


def check_matte_aspect(path: Path, size: tuple[int, int], frames: MatteTarget) -> None:
    """Raise SettingsError where a matte has another aspect than the frames.

    By a rounding they may differ: by a pixel of the smaller one.
    """
    whole, now = frames.source_size, (frames.width, frames.height)
    square = (round(whole[0] * frames.pixel_aspect), whole[1])
    if not any(is_same_aspect(size, other) for other in (whole, now, square)):
        raise SettingsError(
            f"--matte {path} is {size[0]}x{size[1]}, the source {square[0]}x{square[1]}: another "
            "shape; crop it, or pad it with black"
        )


def is_same_aspect(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Return whether two (width, height) are of one aspect but for a pixel of the smaller one."""
    return abs(one[0] * other[1] - one[1] * other[0]) <= max(sum(one), sum(other))
