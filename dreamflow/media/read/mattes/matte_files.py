"""The pictures of a matte from files, in step with the frames that it belongs to.

Their grey is the luma (ITU-R BT.709) of opaque pictures, and the alpha of transparent ones. A
video is matched to the source by time; pictures of a folder have no rate of their own, so each
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

from dreamflow.core.errors import ConvertedSourceWarning, DamagedSourceWarning, MediaError, named
from dreamflow.media.colour.rgb_conversion import AlphaConversion
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.frame_number import frame_number_at
from dreamflow.media.read.mattes.matte_fitting import matte_grey
from dreamflow.media.read.sequences.picture_files import list_pictures
from dreamflow.media.read.sequences.picture_folder import check_one_size
from dreamflow.media.read.sequences.picture_stand_ins import PictureSequence
from dreamflow.media.read.video.animated_pictures import probe_animated_picture
from dreamflow.media.read.video.decoder_choice import read_video
from dreamflow.media.read.video.probe import probe_video
from dreamflow.media.read.video.video_info import IndexedPictures, VideoInfo
from dreamflow.media.stills.read import decode_picture, is_still

MATTE_LATENESS_TOLERANCE_S = Fraction(2, 1000)
"""Seconds by which a matte's frame may come after the source's frame that it belongs to: Matroska
rounds times to 1 ms."""


@dataclass(frozen=True)
class MatteTarget:
    """The frames that a matte belongs to.

    Attributes:
        width: Of the frames, in pixels.
        height: Of the frames, in pixels.
        source_size: (width, height) of the source before it was scaled.
        start_time: Seconds from the source's first frame to the first of these.
        length: Duration in seconds.
        source_frame_at: Gives the number of the source's frame at a time in seconds.
        pixel_aspect: Width of a pixel over its height.
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
        """Return the frames of a clip."""
        return cls(
            clip.width,
            clip.height,
            (clip.info.width, clip.info.height),
            clip.start_time,
            clip.length,
            lambda seconds: frame_number_at(clip.info, seconds),
            clip.info.pixel_aspect,
        )


class MattePictures(Protocol):
    """The pictures of a matte.

    Attributes:
        files: The files that hold them.
        size: (width, height) in pixels.
        shortfall: Where it ends, in words, if that is before the frames do; else "".
    """

    files: tuple[Path, ...]
    size: tuple[int, int]
    shortfall: str

    def picture_number_at(self, seconds: Fraction) -> int:
        """Return the number of the picture at a time from the source's first frame."""
        ...

    def read_grey(self, number: int) -> np.ndarray:
        """Return a picture as grey, (H, W) uint8."""
        ...

    def read_all_grey(self) -> Iterator[np.ndarray]:
        """Yield every picture as grey, (H, W) uint8."""
        ...


def open_matte_pictures(path: Path, target: MatteTarget) -> MattePictures:
    """Open a picture, a folder or glob of pictures, or a video as a matte.

    Raises:
        MediaError: It does not exist or cannot be read.
    """
    if is_still(path):
        return StillMattePictures((path,), target)
    if files := list_pictures(path):
        return StillMattePictures(files, target)
    if not path.exists():
        raise MediaError(
            f"{named('matte')} {path} does not exist",
            setting="matte",
            value=str(path),
            where=str(path),
        )
    return VideoMattePictures(path, target)


class StillMattePictures:
    """One picture for all frames, or one for each frame of the source."""

    def __init__(self, files: tuple[Path, ...], frames: MatteTarget) -> None:
        self.files, self._target = files, frames
        self.size = check_one_size(files)
        self._pictures = PictureSequence(files, decode_picture)
        self._has_warned = False
        first = self._pictures.read(0)
        # Decided once: a transparent shape may grow to cover the whole picture later.
        self._uses_alpha = first.alpha is not None
        last = frames.source_frame_at(
            frames.start_time + max(Fraction(0), frames.length - MATTE_LATENESS_TOLERANCE_S)
        )
        self.shortfall = ""
        if 1 < len(files) <= last:
            self.shortfall = f"has {len(files)} pictures, for {last + 1} frames of the source"

    def picture_number_at(self, seconds: Fraction) -> int:
        """Return the number of the picture at a time from the source's first frame."""
        return min(self._target.source_frame_at(seconds), len(self.files) - 1)

    def read_grey(self, number: int) -> np.ndarray:
        """Return a picture as grey, (H, W) uint8; a damaged one is replaced by the one before.

        Raises:
            MediaError: None can be read, or its size is not what its header says.
        """
        path, picture = self.files[number], self._pictures.read(number)
        if self._pictures.damaged and not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"{named('matte')} {path} is damaged: the one before it stays, as for every "
                "damaged picture",
                DamagedSourceWarning,
                4,
            )
        height, width = picture.pixels.shape[:2]
        if (width, height) != self.size:
            raise MediaError(
                f"{path} is {width}x{height}, but {self.files[0].name} is "
                f"{self.size[0]}x{self.size[1]}: all pictures of a matte must be of one size",
                where=str(path),
            )
        if self._uses_alpha:
            alpha = picture.alpha8()
            return np.full((height, width), 255, np.uint8) if alpha is None else alpha
        return matte_grey(picture.levels8())

    def read_all_grey(self) -> Iterator[np.ndarray]:
        """Yield every picture as grey, (H, W) uint8."""
        return (self.read_grey(number) for number in range(len(self.files)))


class VideoMattePictures:
    """The frames of a video, matched by time; one that does not decode repeats the one before."""

    def __init__(self, path: Path, frames: MatteTarget) -> None:
        self.files = (path,)
        self._info = _use_alpha_if_any(probe_animated_picture(path) or probe_video(path))
        self.size = self._info.width, self._info.height
        self._lateness_tolerance_s = min(MATTE_LATENESS_TOLERANCE_S, 1 / (4 * self._info.rate))
        # Decoding always starts here, so that a resumed render gets the same pictures as one from
        # the beginning: after another seek some videos give slightly different ones.
        self._first_frame = self.picture_number_at(frames.start_time)
        end, frames_end = self._info.length, frames.start_time + frames.length
        self.shortfall = ""
        if self._info.frames > 1 and end + 1 / self._info.rate <= frames_end:
            self.shortfall = f"ends at {float(end):.2f} s, the source at {float(frames_end):.2f} s"
        self._has_warned = False
        self._decoded: IndexedPictures = iter(())
        self._current: tuple[int, np.ndarray] | None = None
        self._upcoming: tuple[int, np.ndarray] | None = None

    def picture_number_at(self, seconds: Fraction) -> int:
        """Return the number of the picture at a time from the source's first frame."""
        return min(
            frame_number_at(self._info, seconds + self._lateness_tolerance_s), self._info.frames - 1
        )

    def read_grey(self, number: int) -> np.ndarray:
        """Return a picture as grey, (H, W) uint8; numbers in order are quickest.

        Raises:
            MediaError: No picture decodes.
        """
        if self._current is None or number < self._current[0]:
            self._decoded = read_video(self._info, self._first_frame)
            self._current = next(self._decoded, None)
            if self._current is None:
                path = self.files[0]
                raise MediaError(f"{path} holds no frame that decodes", where=str(path))
            self._upcoming = next(self._decoded, None)
        while self._upcoming is not None and self._upcoming[0] <= number:
            self._current, self._upcoming = self._upcoming, next(self._decoded, None)
        if self._current[0] < number and not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"{named('matte')} {self.files[0]} is damaged or cut short: frame {number} does "
                "not decode, and the last before it stays",
                DamagedSourceWarning,
                4,
            )
        return matte_grey(self._current[1])

    def read_all_grey(self) -> Iterator[np.ndarray]:
        """Yield every picture as grey, (H, W) uint8."""
        return (matte_grey(picture) for _, picture in read_video(self._info))


def _use_alpha_if_any(info: VideoInfo) -> VideoInfo:
    """Return a video's facts for reading its alpha, where its first frame is transparent."""
    if not info.colour.has_alpha:
        return info
    colour = AlphaConversion(info.colour.matrix, info.colour.hdr_transfer, True)
    alpha_info = replace(info, colour=colour)
    first = next(read_video(alpha_info), None)
    if first is not None and (first[1] < 255).any():
        return alpha_info
    warnings.warn(
        f"the first frame of {info.path.name} is opaque: its brightness is the matte",
        ConvertedSourceWarning,
        5,
    )
    return info
