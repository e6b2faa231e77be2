"""Mattes: where the dream is shown, and how much of it. Black is nothing, white is all."""

from __future__ import annotations

import math
import warnings
from fractions import Fraction
from functools import cached_property
from pathlib import Path

import numpy as np

from dreamflow.errors import DreamFlowWarning, SettingsError
from dreamflow.media.matte_files import Frames, Strip, open_strip
from dreamflow.media.readers import fitted
from dreamflow.opencv import cv2
from dreamflow.options import ShowOptions

SIGMAS_ACROSS = 2.5631
"""A step blurred by a Gaussian goes from a tenth to nine tenths over so many of its standard
deviations: twice the 0.9 quantile of the normal distribution."""
FINEST_SIGMA_PX = 6
"""A wider blur is made of a smaller picture: at this standard deviation nothing is lost by it."""
DARK = 2
"""Levels of 255 that count as black where the part that is shown is looked for: films are noisy."""
MARGIN_PX = 48
"""What is dreamed around that part on each side, for its border is dreamed less well."""
LEAST_PX = 224
"""Its sides are no less: deep layers need to see what is around."""
LARGEST_PART = 0.8
"""A larger part of the picture is not worth being cut out."""
Box = tuple[slice, slice]
"""Rows and columns of a picture."""


class Matte:
    """A matte in step with a clip; ask it for the frames of the clip in their order."""

    def __init__(self, show: ShowOptions, frames: Frames) -> None:
        """Open `show.matte`.

        Raises MediaError where it cannot be read, SettingsError where its shape is not that of the
        frames. Warns of one that ends before the frames do.
        """
        if show.matte is None:
            raise SettingsError("there is no --matte")
        self.path = Path(show.matte)
        self._show, self._frames = show, frames
        self._strip: Strip = open_strip(self.path, frames)
        self._made: tuple[int, np.ndarray] | None = None
        check_shape(self.path, self._strip.size, frames)
        if self._strip.short:
            warnings.warn(
                f"--matte {self.path} {self._strip.short}: its last one stays until the end",
                DreamFlowWarning,
                3,
            )

    @property
    def files(self) -> list[Path]:
        """The files that it is in."""
        return list(self._strip.files)

    @property
    def sources(self) -> list[Path]:
        """What is read: the file, or the pictures' folders."""
        return list({self.path, *(file.parent for file in self._strip.files[1:])})

    @cached_property
    def box(self) -> Box | None:
        """The part of the frames that has all that the matte ever shows, where it is to be cut out.

        None where all of them is dreamed. It is that of the whole file, whatever the span: so a
        part of a clip, and a preview, are dreamed as all of it is.
        """
        if not self._show.matte_crop:
            return None
        wide, high = self._strip.size
        across, down = np.zeros(wide, bool), np.zeros(high, bool)
        for grey in self._strip.all():
            lit = grey < 255 - DARK if self._show.matte_invert else grey > DARK
            across |= lit.any(axis=0)
            down |= lit.any(axis=1)
        if not across.any():
            raise SettingsError(f"--matte {self.path} shows nothing of the dream")
        width, height = self._frames.width, self._frames.height
        reach = MARGIN_PX + 3 * feather_sigma(self._show.matte_feather, width, height)
        rows, columns = around(down, height, reach), around(across, width, reach)
        part = (rows.stop - rows.start) * (columns.stop - columns.start)
        return (rows, columns) if part <= LARGEST_PART * width * height else None

    def at(self, time: Fraction) -> np.ndarray:
        """Return how much of the dream is shown, float32 (H, W) in [0, 1].

        time: seconds from the first of the frames dreamed.
        """
        number = self._strip.number(self._frames.begin + time)
        if self._made is None or self._made[0] != number:
            grey = self._strip.picture(number)
            made = fitted(grey, self._frames.width, self._frames.height).astype(np.float32) / 255
            if self._show.matte_invert:
                made = 1 - made
            self._made = number, feathered(made, self._show.matte_feather)
        return self._made[1]


def open_matte(show: ShowOptions, frames: Frames) -> Matte | None:
    """Return the matte that the options name, or None. See `Matte` for what it raises."""
    return None if show.matte is None else Matte(show, frames)


def around(lit: np.ndarray, size: int, reach: float) -> slice:
    """Return what holds all of a row or column that is lit, and `reach` pixels on each side.

    lit: bool (N,), over a length of `size` pixels.
    """
    found, scale = np.flatnonzero(lit), size / len(lit)
    first, last = found[0] * scale - reach, (found[-1] + 1) * scale + reach
    lacking = max(0.0, (min(LEAST_PX, size) - (last - first)) / 2)
    first, last = max(0, math.floor(first - lacking)), min(size, math.ceil(last + lacking))
    # At the border of the picture the rest is taken from the other side.
    first = max(0, min(first, last - LEAST_PX))
    return slice(first, max(last, min(size, first + LEAST_PX)))


def feather_sigma(feather: float, width: int, height: int) -> float:
    """Return the standard deviation in pixels of a soft edge, given in percent."""
    return feather / 100 * max(width, height) / SIGMAS_ACROSS


def feathered(matte: np.ndarray, width: float) -> np.ndarray:
    """Return a matte, float32 (H, W) in [0, 1], with soft edges: a Gaussian blur.

    width: over which an edge goes from a tenth to nine tenths, in percent of the longer side.
    """
    high, wide = matte.shape
    sigma = feather_sigma(width, wide, high)
    if sigma == 0:
        return matte
    scale = max(1, int(sigma / FINEST_SIGMA_PX))
    small = fitted(matte, max(1, round(wide / scale)), max(1, round(high / scale)))
    across, down = sigma * small.shape[1] / wide, sigma * small.shape[0] / high
    # Only what lies within four standard deviations counts: black farther away stays black.
    blurred = cv2.GaussianBlur(small, (0, 0), across, sigmaY=down, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(blurred, (wide, high), interpolation=cv2.INTER_LINEAR).clip(0, 1)


def check_shape(path: Path, size: tuple[int, int], frames: Frames) -> None:
    """Raise SettingsError where a matte has another aspect than the frames.

    By a rounding they may differ: by a pixel of the smaller one.
    """
    whole, now = frames.whole, (frames.width, frames.height)
    square = (round(whole[0] * frames.pixel_aspect), whole[1])
    if not any(same_aspect(size, other) for other in (whole, now, square)):
        raise SettingsError(
            f"--matte {path} is {size[0]}x{size[1]}, the source {square[0]}x{square[1]}: another "
            "shape; crop it, or pad it with black"
        )


def same_aspect(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Return whether two (width, height) are of one aspect but for a pixel of the smaller one."""
    return abs(one[0] * other[1] - one[1] * other[0]) <= max(sum(one), sum(other))
