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

from dreamflow.core.errors import DreamFlowWarning, MediaError
from dreamflow.media.colour.matrices import AlphaConversion
from dreamflow.media.read.animated_webp import probe_webp
from dreamflow.media.read.clip import Clip, frame_number_at
from dreamflow.media.read.decoders import IndexedPictures, read_video
from dreamflow.media.read.picture_folder import list_pictures
from dreamflow.media.read.probe import VideoInfo, probe_video
from dreamflow.media.stills import is_still, read_alpha, read_picture

RGB_TO_LUMA_WEIGHTS = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Weights of R, G and B (ITU-R BT.709)."""
MATTE_LATENESS_TOLERANCE_S = Fraction(2, 1000)
"""Seconds by which a matte's frame may come after the source's and still be taken for its own:
Matroska rounds times to 1 ms."""


@dataclass(frozen=True)
class MatteTarget:
    """What a matte goes with: the frames that are dreamed.

    width, height: in pixels. whole: (width, height) of the source before it was scaled. begin:
    seconds from the source's first frame to the first of these. length: seconds that they last.
    number: of the source's frame that is shown so many seconds after its first. pixel_aspect:
    width of a pixel over its height.
    """

    width: int
    height: int
    source_size: tuple[int, int]
    start_time: Fraction = Fraction(0)
    length: Fraction = Fraction(0)
    source_frame_at: Callable[[Fraction], int] = lambda seconds: 0
    pixel_aspect: Fraction = Fraction(1)

    @classmethod
    def from_clip(cls, clip: Clip) -> MatteTarget:
        """Return those of a clip."""
        return cls(
            clip.width,
            clip.height,
            (clip.info.width, clip.info.height),
            clip.start_time,
            clip.length,
            lambda seconds: frame_number_at(clip.info, seconds),
            clip.info.pixel_aspect,
        )


def bt709_luma(picture: np.ndarray) -> np.ndarray:
    """Return the luma of an RGB picture (H, W, 3), float32 (H, W), in the same units."""
    return picture.astype(np.float32) @ RGB_TO_LUMA_WEIGHTS


def round_to_uint8(grey: np.ndarray) -> np.ndarray:
    """Return grey from 0 to 255 rounded to uint8."""
    return np.rint(grey).astype(np.uint8)


class MattePictures(Protocol):
    """The pictures of a matte.

    size: (width, height). short: in words where it ends, if that is before the frames do.
    """

    files: tuple[Path, ...]
    size: tuple[int, int]
    shortfall: str

    def picture_number_at(self, seconds: Fraction) -> int:
        """Return the number of its picture, so many seconds from the source's first frame."""
        ...

    def read_grey(self, number: int) -> np.ndarray:
        """Return a picture as grey, uint8 (H, W)."""
        ...

    def read_all_grey(self) -> Iterator[np.ndarray]:
        """Yield every picture that there is, as grey."""
        ...


def open_matte_pictures(path: Path, target: MatteTarget) -> MattePictures:
    """Return the pictures of a picture, a folder or glob of them, or a film. Raises MediaError."""
    if is_still(path):
        return StillMattePictures((path,), target)
    if files := list_pictures(path):
        return StillMattePictures(files, target)
    if not path.exists():
        raise MediaError(f"--matte {path} does not exist")
    return VideoMattePictures(path, target)


class StillMattePictures:
    """One picture for all frames, or one for each frame of the source."""

    def __init__(self, files: tuple[Path, ...], frames: MatteTarget) -> None:
        self.files, self._target = files, frames
        first = read_picture(files[0], warn_of_alpha=False)
        self.size = first.shape[1], first.shape[0]
        # Decided once: in the course of a clip a shape may well grow to cover all.
        alpha = read_alpha(files[0])
        self._uses_alpha = alpha is not None and bool((alpha < 255).any())
        last = frames.source_frame_at(
            frames.start_time + max(Fraction(0), frames.length - MATTE_LATENESS_TOLERANCE_S)
        )
        self.shortfall = ""
        if 1 < len(files) <= last:
            self.shortfall = f"has {len(files)} pictures, for {last + 1} frames of the source"

    def picture_number_at(self, seconds: Fraction) -> int:
        """Return the number of the picture at a time."""
        return min(self._target.source_frame_at(seconds), len(self.files) - 1)

    def read_grey(self, number: int) -> np.ndarray:
        """Return a picture as grey. Raises MediaError where it cannot be read."""
        path = self.files[number]
        picture = read_picture(path, warn_of_alpha=False)
        if (picture.shape[1], picture.shape[0]) != self.size:
            raise MediaError(
                f"{path} is {picture.shape[1]}x{picture.shape[0]}, but {self.files[0].name} is "
                f"{self.size[0]}x{self.size[1]}: all pictures of a matte must be of one size"
            )
        if self._uses_alpha:
            alpha = read_alpha(path)
            return np.full(picture.shape[:2], 255, np.uint8) if alpha is None else alpha
        return round_to_uint8(bt709_luma(picture))

    def read_all_grey(self) -> Iterator[np.ndarray]:
        """Yield every picture, as grey."""
        return (self.read_grey(number) for number in range(len(self.files)))


class VideoMattePictures:
    """A film, in step by time. A frame that does not decode is the one before it."""

    def __init__(self, path: Path, frames: MatteTarget) -> None:
        self.files = (path,)
        self._info = _use_alpha_if_any(probe_webp(path) or probe_video(path))
        self.size = self._info.width, self._info.height
        self._lateness_tolerance_s = min(MATTE_LATENESS_TOLERANCE_S, 1 / (4 * self._info.rate))
        # Always from here on, so that a render that goes on decodes as one that began here: after
        # another seek some films give pictures that are a little different.
        self._first_frame = self.picture_number_at(frames.start_time)
        ends, wanted = self._info.length, frames.start_time + frames.length
        self.shortfall = ""
        if self._info.frames > 1 and ends + 1 / self._info.rate <= wanted:
            self.shortfall = f"ends at {float(ends):.2f} s, the source at {float(wanted):.2f} s"
        self._has_warned = False
        self._reader: IndexedPictures = iter(())
        self._current: tuple[int, np.ndarray] | None = None
        self._upcoming: tuple[int, np.ndarray] | None = None

    def picture_number_at(self, seconds: Fraction) -> int:
        """Return the number of the picture at a time."""
        return min(
            frame_number_at(self._info, seconds + self._lateness_tolerance_s), self._info.frames - 1
        )

    def read_grey(self, number: int) -> np.ndarray:
        """Return a picture as grey. Raises MediaError where none decodes."""
        if self._current is None or number < self._current[0]:
            self._reader = read_video(self._info, self._first_frame)
            self._current = next(self._reader, None)
            if self._current is None:
                raise MediaError(f"{self.files[0]} holds no frame that decodes")
            self._upcoming = next(self._reader, None)
        while self._upcoming is not None and self._upcoming[0] <= number:
            self._current, self._upcoming = self._upcoming, next(self._reader, None)
        if self._current[0] < number and not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"--matte {self.files[0]} is damaged or cut short: frame {number} does not decode, "
                "and the last before it stays",
                DreamFlowWarning,
                4,
            )
        return round_to_uint8(bt709_luma(self._current[1]))

    def read_all_grey(self) -> Iterator[np.ndarray]:
        """Yield every picture, as grey."""
        return (round_to_uint8(bt709_luma(picture)) for _, picture in read_video(self._info))


def _use_alpha_if_any(info: VideoInfo) -> VideoInfo:
    """Return how a film is read as a matte: by its transparency, where its first frame has any."""
    if not info.colour.has_alpha:
        return info
    colour = AlphaConversion(info.colour.matrix, info.colour.hdr_transfer, True)
    transparent = replace(info, colour=colour)
    first = next(read_video(transparent), None)
    if first is not None and (first[1] < 255).any():
        return transparent
    warnings.warn(
        f"the first frame of {info.path.name} is opaque: its brightness is the matte",
        DreamFlowWarning,
        5,
    )
    return info
