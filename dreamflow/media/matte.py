"""Mattes: where the dream is shown, and how much of it. Black is nothing, white is all.

A matte is a picture, or moves: a film, or a folder of pictures. Its grey is taken, of colours their
luma (ITU-R BT.709), or its transparency where it has any. A film goes in step with the source by
time; pictures in a folder have no rate of their own, so each belongs to one frame of the source.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

from dreamflow.errors import DreamFlowWarning, MediaError, SettingsError
from dreamflow.media.clip import Clip, shown_at
from dreamflow.media.colour import Coverage
from dreamflow.media.pictures import pictures_of
from dreamflow.media.probe import FilmInfo, probe_film
from dreamflow.media.readers import Pictures, fitted, read_film
from dreamflow.media.stills import DAMAGED, is_picture, read_alpha, read_picture
from dreamflow.opencv import cv2
from dreamflow.options import ShowOptions

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Weights of R, G and B (ITU-R BT.709)."""
SIGMAS_ACROSS = 2.5631
"""A step blurred by a Gaussian goes from a tenth to nine tenths over so many of its standard
deviations: twice the 0.9 quantile of the normal distribution."""
FINEST_SIGMA_PX = 6
"""A wider blur is made of a smaller picture: at this standard deviation nothing is lost by it."""
LATEST = Fraction(2, 1000)
"""Seconds by which a matte's frame may come after the source's and still be taken for its own:
Matroska rounds times to 1 ms."""


@dataclass(frozen=True)
class Frames:
    """What a matte goes with: the frames that are dreamed.

    width, height: in pixels. whole: (width, height) of the source before it was scaled. begin:
    seconds from the source's first frame to the first of these. length: seconds that they last.
    number: of the source's frame that is shown so many seconds after its first. pixel_aspect:
    width of a pixel over its height.
    """

    width: int
    height: int
    whole: tuple[int, int]
    begin: Fraction = Fraction(0)
    length: Fraction = Fraction(0)
    number: Callable[[Fraction], int] = lambda seconds: 0
    pixel_aspect: Fraction = Fraction(1)

    @classmethod
    def of(cls, clip: Clip) -> Frames:
        """Return those of a clip."""
        return cls(
            clip.width,
            clip.height,
            (clip.info.width, clip.info.height),
            clip.begin,
            clip.length,
            lambda seconds: shown_at(clip.info, seconds),
            clip.info.pixel_aspect,
        )


class Matte:
    """A matte in step with a clip; ask it for the frames of the clip in their order."""

    def __init__(self, show: ShowOptions, frames: Frames) -> None:
        """Open `show.matte`.

        Raises MediaError where it cannot be read, SettingsError where its shape is not that of the
        frames. Warns of one that is made larger or smaller, or that ends before the frames do.
        """
        if show.matte is None:
            raise SettingsError("there is no --matte")
        self.path = Path(show.matte)
        self._show, self._frames = show, frames
        self._strip: _Strip = _opened(self.path, frames)
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
    if show.matte is not None:
        return Matte(show, frames)
    for name in ("matte_feather", "matte_invert"):
        if getattr(show, name) != getattr(ShowOptions, name):
            flag = f"--{name.replace('_', '-')}"
            warnings.warn(f"{flag} is nothing without a --matte", DreamFlowWarning, 2)
    return None


def luma(picture: np.ndarray) -> np.ndarray:
    """Return the luma of an RGB picture (H, W, 3), float32 (H, W), in the same units."""
    return picture.astype(np.float32) @ LUMA


def as_levels(grey: np.ndarray) -> np.ndarray:
    """Return grey from 0 to 255 rounded to uint8."""
    return np.rint(grey).astype(np.uint8)


def feathered(matte: np.ndarray, width: float) -> np.ndarray:
    """Return a matte, float32 (H, W) in [0, 1], with soft edges: a Gaussian blur.

    width: over which an edge goes from a tenth to nine tenths, in percent of the longer side.
    """
    high, wide = matte.shape
    sigma = width / 100 * max(high, wide) / SIGMAS_ACROSS
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

    By a rounding they may differ: by a pixel of the smaller one. Warns where its size is neither
    that of the frames nor that of their source.
    """
    whole, now = frames.whole, (frames.width, frames.height)
    square = (round(whole[0] * frames.pixel_aspect), whole[1])
    if size in (whole, now, square):
        return
    told = f"--matte {path} is {size[0]}x{size[1]}, the source {square[0]}x{square[1]}"
    if not any(same_aspect(size, other) for other in (whole, now, square)):
        raise SettingsError(f"{told}: another shape; crop it, or pad it with black")
    warnings.warn(f"{told}: it is scaled", DreamFlowWarning, 4)


def same_aspect(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Return whether two (width, height) are of one aspect but for a pixel of the smaller one."""
    return abs(one[0] * other[1] - one[1] * other[0]) <= max(sum(one), sum(other))


class _Strip(Protocol):
    """The pictures of a matte.

    size: (width, height). short: in words where it ends, if that is before the frames do.
    """

    files: tuple[Path, ...]
    size: tuple[int, int]
    short: str

    def number(self, seconds: Fraction) -> int:
        """Return the number of its picture, so many seconds from the source's first frame."""
        ...

    def picture(self, number: int) -> np.ndarray:
        """Return a picture as grey, uint8 (H, W)."""
        ...


def _opened(path: Path, frames: Frames) -> _Strip:
    if path.is_file() and is_picture(path) and not _is_animated(path):
        return _Stills((path,), frames)
    if files := pictures_of(path):
        return _Stills(files, frames)
    if not path.exists():
        raise MediaError(f"--matte {path} does not exist")
    return _Film(path, frames)


def _is_animated(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            return path.suffix.lower() == ".webp" and getattr(image, "n_frames", 1) > 1
    except DAMAGED:
        return False


class _Stills:
    """One picture for all frames, or one for each frame of the source."""

    def __init__(self, files: tuple[Path, ...], frames: Frames) -> None:
        self.files, self._frames = files, frames
        first = read_picture(files[0], warn_of_alpha=False)
        self.size = first.shape[1], first.shape[0]
        # Decided once: in the course of a clip a shape may well grow to cover all.
        alpha = read_alpha(files[0])
        self._transparent = alpha is not None and bool((alpha < 255).any())
        last = frames.number(frames.begin + max(Fraction(0), frames.length - LATEST))
        self.short = ""
        if 1 < len(files) <= last:
            self.short = f"has {len(files)} pictures, for {last + 1} frames of the source"

    def number(self, seconds: Fraction) -> int:
        return min(self._frames.number(seconds), len(self.files) - 1)

    def picture(self, number: int) -> np.ndarray:
        path = self.files[number]
        picture = read_picture(path, warn_of_alpha=False)
        if (picture.shape[1], picture.shape[0]) != self.size:
            raise MediaError(
                f"{path} is {picture.shape[1]}x{picture.shape[0]}, but {self.files[0].name} is "
                f"{self.size[0]}x{self.size[1]}: all pictures of a matte must be of one size"
            )
        if self._transparent:
            alpha = read_alpha(path)
            return np.full(picture.shape[:2], 255, np.uint8) if alpha is None else alpha
        return as_levels(luma(picture))


class _Film:
    """A film, in step by time. A frame that does not decode is the one before it."""

    def __init__(self, path: Path, frames: Frames) -> None:
        self.files = (path,)
        self._info = _as_matte(probe_film(path))
        self.size = self._info.width, self._info.height
        self._late = min(LATEST, 1 / (4 * self._info.rate))
        # Always from here on, so that a render that goes on decodes as one that began here: after
        # another seek some films give pictures that are a little different.
        self._first = self.number(frames.begin)
        ends, wanted = self._info.length, frames.begin + frames.length
        self.short = ""
        if self._info.frames > 1 and ends + 1 / self._info.rate <= wanted:
            self.short = f"ends at {float(ends):.2f} s, the source at {float(wanted):.2f} s"
        self._told = False
        self._reader: Pictures = iter(())
        self._shown: tuple[int, np.ndarray] | None = None
        self._coming: tuple[int, np.ndarray] | None = None

    def number(self, seconds: Fraction) -> int:
        return min(shown_at(self._info, seconds + self._late), self._info.frames - 1)

    def picture(self, number: int) -> np.ndarray:
        if self._shown is None or number < self._shown[0]:
            self._reader = read_film(self._info, self._first)
            self._shown = next(self._reader, None)
            if self._shown is None:
                raise MediaError(f"{self.files[0]} holds no frame that decodes")
            self._coming = next(self._reader, None)
        while self._coming is not None and self._coming[0] <= number:
            self._shown, self._coming = self._coming, next(self._reader, None)
        if self._shown[0] < number and not self._told:
            self._told = True
            warnings.warn(
                f"--matte {self.files[0]} is damaged or cut short: frame {number} does not decode, "
                "and the last before it stays",
                DreamFlowWarning,
                4,
            )
        return as_levels(luma(self._shown[1]))


def _as_matte(info: FilmInfo) -> FilmInfo:
    """Return how a film is read as a matte: by its transparency, where its first frame has any."""
    if not info.colour.alpha:
        return info
    colour = Coverage(info.colour.matrix, info.colour.light, True)
    transparent = replace(info, colour=colour)
    first = next(read_film(transparent), None)
    if first is not None and (first[1] < 255).any():
        return transparent
    warnings.warn(
        f"the first frame of {info.path.name} is opaque: its brightness is the matte",
        DreamFlowWarning,
        5,
    )
    return info
