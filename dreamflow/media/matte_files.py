"""The pictures of a matte, from files, in step with the frames that it goes with.

Their grey is taken, of colours their luma (ITU-R BT.709), or their transparency where they have
any. A film goes by the source's time; pictures in a folder have no rate of their own, so each
belongs to one frame of the source.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np

from dreamflow.errors import DreamFlowWarning, MediaError
from dreamflow.media.clip import Clip, shown_at
from dreamflow.media.colour import Coverage
from dreamflow.media.pictures import pictures_of
from dreamflow.media.probe import FilmInfo, probe_film
from dreamflow.media.readers import Pictures, read_film
from dreamflow.media.stills import is_still, read_alpha, read_picture
from dreamflow.media.webp import probe_webp

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Weights of R, G and B (ITU-R BT.709)."""
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


def luma(picture: np.ndarray) -> np.ndarray:
    """Return the luma of an RGB picture (H, W, 3), float32 (H, W), in the same units."""
    return picture.astype(np.float32) @ LUMA


def as_levels(grey: np.ndarray) -> np.ndarray:
    """Return grey from 0 to 255 rounded to uint8."""
    return np.rint(grey).astype(np.uint8)


class Strip(Protocol):
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

    def all(self) -> Iterator[np.ndarray]:
        """Yield every picture that there is, as grey."""
        ...


def open_strip(path: Path, frames: Frames) -> Strip:
    """Return the pictures of a picture, a folder or glob of them, or a film. Raises MediaError."""
    if is_still(path):
        return Stills((path,), frames)
    if files := pictures_of(path):
        return Stills(files, frames)
    if not path.exists():
        raise MediaError(f"--matte {path} does not exist")
    return Film(path, frames)


class Stills:
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
        """Return the number of the picture at a time."""
        return min(self._frames.number(seconds), len(self.files) - 1)

    def picture(self, number: int) -> np.ndarray:
        """Return a picture as grey. Raises MediaError where it cannot be read."""
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

    def all(self) -> Iterator[np.ndarray]:
        """Yield every picture, as grey."""
        return (self.picture(number) for number in range(len(self.files)))


class Film:
    """A film, in step by time. A frame that does not decode is the one before it."""

    def __init__(self, path: Path, frames: Frames) -> None:
        self.files = (path,)
        self._info = _as_matte(probe_webp(path) or probe_film(path))
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
        """Return the number of the picture at a time."""
        return min(shown_at(self._info, seconds + self._late), self._info.frames - 1)

    def picture(self, number: int) -> np.ndarray:
        """Return a picture as grey. Raises MediaError where none decodes."""
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

    def all(self) -> Iterator[np.ndarray]:
        """Yield every picture, as grey."""
        return (as_levels(luma(picture)) for _, picture in read_film(self._info))


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
