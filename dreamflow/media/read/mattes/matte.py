"""A matte in step with a clip: how much of the dream each pixel shows, from 0 (black) to 1."""

from __future__ import annotations

import warnings
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from dreamflow.core.errors import SettingsError, ShortSourceWarning, named
from dreamflow.media.read.mattes.matte_crop import CropBox, choose_crop_box, find_visible_sides
from dreamflow.media.read.mattes.matte_feather import feather_edges, feather_sigma_px
from dreamflow.media.read.mattes.matte_files import MattePictures, MatteTarget, open_matte_pictures
from dreamflow.media.read.mattes.matte_fitting import fit_matte, is_same_aspect


class MatteSettings(Protocol):
    """The settings of a matte, such as ShowOptions has them."""

    @property
    def matte(self) -> str | None:
        """The file, folder or glob; None for no matte."""
        ...

    @property
    def matte_feather(self) -> float:
        """Width of the soft edges, in percent of the longer side."""
        ...

    @property
    def matte_invert(self) -> bool:
        """Whether the dream is shown where the matte is black instead."""
        ...

    @property
    def matte_crop(self) -> bool:
        """Whether only the part that the matte ever shows is dreamed."""
        ...


class Matte:
    """A matte from a file, fitted to the frames of a clip.

    Attributes:
        path: The file, folder or glob.
    """

    def __init__(self, show: MatteSettings, frames: MatteTarget) -> None:
        """Open `show.matte` for frames; warns of one that ends before they do.

        Raises:
            MediaError: It cannot be read.
            SettingsError: Its aspect ratio is not that of the frames, or none is set.
        """
        if show.matte is None:
            raise SettingsError(f"{named('matte')} is not set", setting="matte")
        self.path = Path(show.matte)
        self._settings, self._target = show, frames
        self._pictures: MattePictures = open_matte_pictures(self.path, frames)
        self._cached_opacity: tuple[int, np.ndarray] | None = None
        check_matte_aspect(self.path, self._pictures.size, frames)
        if self._pictures.shortfall:
            warnings.warn(
                f"{named('matte')} {self.path} {self._pictures.shortfall}: its last one stays "
                "until the end",
                ShortSourceWarning,
                3,
            )

    @property
    def files(self) -> list[Path]:
        """The files that hold it."""
        return list(self._pictures.files)

    @property
    def source_paths(self) -> list[Path]:
        """The file, or the folders of its pictures: what an output must not replace."""
        return list({self.path, *(file.parent for file in self._pictures.files[1:])})

    @cached_property
    def bounding_box(self) -> CropBox | None:
        """The part of the frames to dream where `matte_crop` is set; None for all of them.

        It is that of the whole file, whatever frames are taken, so that a part of a clip and a
        preview are dreamed as the whole clip is.

        Raises:
            SettingsError: The matte never shows anything.
        """
        if not self._settings.matte_crop:
            return None
        rows, columns = find_visible_sides(
            self._pictures.read_all_grey(), self._pictures.size, self._settings.matte_invert
        )
        if not rows.any():
            raise SettingsError(
                f"{named('matte')} {self.path} shows nothing of the dream",
                setting="matte",
                value=str(self.path),
                where=str(self.path),
            )
        width, height = self._target.width, self._target.height
        sigma = feather_sigma_px(self._settings.matte_feather, width, height)
        return choose_crop_box(rows, columns, width, height, sigma)

    def opacity_at(self, time: Fraction) -> np.ndarray:
        """Return the opacity of the dream, (H, W) float32 in [0, 1].

        Args:
            time: Seconds from the first frame of the clip. Times in order are quickest.
        """
        number = self._pictures.picture_number_at(self._target.start_time + time)
        if self._cached_opacity is None or self._cached_opacity[0] != number:
            grey = self._pictures.read_grey(number)
            opacity = fit_matte(grey, self._target.width, self._target.height)
            if self._settings.matte_invert:
                opacity = 1 - opacity
            self._cached_opacity = number, feather_edges(opacity, self._settings.matte_feather)
        return self._cached_opacity[1]


def open_matte(show: MatteSettings, frames: MatteTarget) -> Matte | None:
    """Return the matte of the settings, or None where none is set.

    Raises:
        MediaError: It cannot be read.
        SettingsError: Its aspect ratio is not that of the frames.
    """
    return None if show.matte is None else Matte(show, frames)


def check_matte_aspect(path: Path, size: tuple[int, int], frames: MatteTarget) -> None:
    """Check that a matte of (width, height) pixels has the aspect ratio of the frames.

    That of the source, of the scaled frames, or of the source with square pixels will do.

    Raises:
        SettingsError: It has another one.
    """
    source, scaled = frames.source_size, (frames.width, frames.height)
    square = (round(source[0] * frames.pixel_aspect), source[1])
    if not any(is_same_aspect(size, other) for other in (source, scaled, square)):
        raise SettingsError(
            f"{named('matte')} {path} is {size[0]}x{size[1]}, the source {square[0]}x{square[1]}: "
            "another shape; crop it, or pad it with black",
            setting="matte",
            value=f"{size[0]}x{size[1]}",
            allowed=f"the aspect ratio of {square[0]}x{square[1]}",
            where=str(path),
        )
