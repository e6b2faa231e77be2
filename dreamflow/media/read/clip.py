"""A clip: the frames taken from a video, an animated picture or a folder of pictures."""

from __future__ import annotations

import copy
import itertools
import warnings
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from dreamflow.core.errors import (
    ConvertedSourceWarning,
    DamagedSourceWarning,
    LeftOutWarning,
    MediaError,
)
from dreamflow.core.frames import Frame
from dreamflow.core.options.values import fit_size
from dreamflow.core.schedules.timecode import Timeline
from dreamflow.media.depth.write import DeepOutput
from dreamflow.media.options import ClipOptions
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.read.clip_output import find_extras, find_sound, trim_chapters
from dreamflow.media.read.clip_pictures import PictureSource, decode_originals, decode_pictures
from dreamflow.media.read.frame_number import parse_moment, parse_span
from dreamflow.media.read.frame_rate import to_exact_rate
from dreamflow.media.read.originals import fit_to_source
from dreamflow.media.read.probe import probe_source
from dreamflow.media.read.probing.video_facts import WantedTracks
from dreamflow.media.read.resample import resample_frames
from dreamflow.media.read.sequences.picture_folder import PictureFolderInfo
from dreamflow.media.read.video.video_info import Doubt
from dreamflow.media.sound.hearing import Hearing


class Clip:
    """The frames that are taken from a source, in order; iterate it for Frames.

    Each iteration decodes anew and holds a few frames at most. `len` is the expected number of
    frames; a damaged file may give fewer, with a DamagedSourceWarning.

    Attributes:
        path: The source: a file, folder or pattern.
        options: The settings that it was opened with.
        info: The facts of the source.
        width: Of the frames, in pixels.
        height: Of the frames, in pixels.
        first_frame: Number in the source of the first frame taken.
        stop_frame: Number in the source after the last frame taken.
        rate: Frames per second; the mean where they come unevenly.
        is_resampled: Whether the setting `fps` resamples the source.
        hearing: What the schedules of its timeline hear, if anything.
    """

    def __init__(
        self,
        source: str | Path,
        options: ClipOptions | None = None,
        deep_output: DeepOutput | None = None,
    ) -> None:
        """Probe the source.

        Args:
            source: The file, folder or pattern.
            options: What is read of it.
            deep_output: As in `with_originals`.

        Raises:
            MediaError: The source cannot be read.
            SettingsError: `start` or `end` does not lie in the source.
        """
        self.path = Path(source)
        self.options = options or ClipOptions()
        tracks = WantedTracks(self.options.video_track, self.options.audio_track)
        self.info = probe_source(
            *(self.path, self.options.fps, self.options.missing, tracks),
            *(self.options.allow_playlist, self.options.exr_layer, self.options.alpha),
        )
        self.width, self.height = fit_size(self.options.size, self.info.width, self.info.height)
        self.first_frame, self.stop_frame = parse_span(self.options, self.info, self.path)
        self._full_clip = self
        self._held_frames: tuple[Frame, ...] | None = None
        self._deep_output = fit_to_source(deep_output, self.info, self.options)
        self.hearing: Hearing | None = None
        self.is_resampled = bool(self.options.fps) and not isinstance(self.info, PictureFolderInfo)
        self.rate = self._find_rate()
        conversions = [
            *self.info.assumptions,
            *(() if self._deep_output else self.info.losses),
            *(doubt.warning for doubt in self.info.doubts if self._is_open(doubt)),
        ]
        if self.info.is_interlaced and self.options.deinterlace == "auto":
            conversions.append(
                f"{self.path.name} is interlaced: it is deinterlaced, at the same frame rate"
            )
        for note in self.info.notes:
            warnings.warn(note, DamagedSourceWarning, 2)
        for note in conversions:
            warnings.warn(note, ConvertedSourceWarning, 2)
        for note in self.info.left_out if self._deep_output else ():
            warnings.warn(note, LeftOutWarning, 2)

    def _is_open(self, doubt: Doubt) -> bool:
        """Return whether the user does not say what a source leaves in doubt."""
        return getattr(self.options, doubt.setting) == getattr(ClipOptions, doubt.setting)

    def _find_rate(self) -> Fraction:
        """Return the frames per second; of a part of an uneven source, the mean over the part."""
        if self.options.fps and self.is_resampled:
            return to_exact_rate(self.options.fps)
        if self.info.constant_rate:
            return self.info.rate / self.options.every
        return (self.stop_frame - self.first_frame) / self.length / self.options.every

    def subclip(self, first: int, stop: int) -> Clip:
        """Return the frames from number `first` of the source up to, not including, `stop`.

        The piece keeps this clip's timeline, so that it is dreamed as within the whole clip.
        """
        part = copy.copy(self)
        part._held_frames = None
        part.first_frame, part.stop_frame = first, min(stop, self.info.frames)
        return part

    def held(self) -> Clip:
        """Return the same frames, decoded once and held in memory: for a short part.

        Raises:
            MediaError: They cannot be decoded.
        """
        clip = copy.copy(self)
        clip._held_frames = tuple(self)
        return clip

    def with_originals(self, output: DeepOutput | None) -> Clip:
        """Return the same clip, whose frames have their originals where an output keeps more.

        Args:
            output: The output; None where its format keeps no more than 8 bits.
        """
        clip = copy.copy(self)
        clip._deep_output = fit_to_source(output, self.info, self.options)
        return clip

    @property
    def has_originals(self) -> bool:
        """Whether frames come with their pictures in the source's own depth."""
        return self._deep_output is not None

    def hear(self, hearing: Hearing) -> Clip:
        """Return the same clip whose schedules hear something."""
        clip = copy.copy(self)
        clip.hearing = hearing
        return clip

    @property
    def source_paths(self) -> list[Path]:
        """The source, and the folders of its pictures: what an output must not replace."""
        if isinstance(self.info, PictureFolderInfo):
            return [self.path, *{path.parent for path in self.info.files}]
        return [self.path, *self.info.playlist_files]

    @property
    def files(self) -> list[Path]:
        """The files that hold the frames, a playlist before those that it names."""
        if isinstance(self.info, PictureFolderInfo):
            return list(self.info.files)
        return [self.path, *self.info.playlist_files]

    @property
    def frame_numbers(self) -> tuple[int, ...] | None:
        """Number of each frame taken in the names of a folder's pictures; None without numbers."""
        if not isinstance(self.info, PictureFolderInfo) or self.info.numbers is None:
            return None
        return self.info.numbers[self.first_frame : self.stop_frame : self.options.every]

    @property
    def constant_rate(self) -> bool:
        """Whether the frames come evenly; otherwise each frame's time counts."""
        return self.info.constant_rate or self.is_resampled

    @property
    def start_time(self) -> Fraction:
        """Seconds from the source's first frame to the first one taken."""
        return self.info.frame_time(self.first_frame)

    @property
    def length(self) -> Fraction:
        """Duration of the frames taken, in seconds."""
        return self.info.frame_time(self.stop_frame) - self.start_time

    @property
    def output_spec(self) -> OutputSpec:
        """Size, timing and sound of an output that holds this clip's frames."""
        start, info = self.start_time, self.info
        return OutputSpec(
            self.width,
            self.height,
            self.rate,
            len(self),
            self.length,
            self.constant_rate,
            info.pixel_aspect,
            find_sound(self.path, info, start, ends_early=self.stop_frame < info.frames),
            tuple(self.source_paths),
            trim_chapters(info.chapters, start, start + self.length),
            find_extras(self.path, info, start, self.rate),
            self._number_output_frames(),
            samples=self._deep_output.samples if self._deep_output else None,
        )

    def _number_output_frames(self) -> tuple[int, ...] | range:
        """Return the number of each frame in the source, from 0 in a film; () where it has none."""
        if self.is_resampled:
            first = round(self.start_time * self.rate)
            return range(first, first + len(self))
        if isinstance(self.info, PictureFolderInfo):
            return self.frame_numbers or ()
        return range(self.first_frame, self.stop_frame, self.options.every)

    @property
    def timeline(self) -> Timeline:
        """The timeline of schedules: the frames taken, from the first one."""
        full = self._full_clip
        partial = full.stop_frame - full.first_frame < full.info.frames
        signals = None
        if self.hearing is not None:
            signals = replace(self.hearing.signals, start=full.start_time)
        offset = self.start_time - full.start_time
        return Timeline(full.rate, full.length, offset, partial, signals)

    def __len__(self) -> int:
        """Return the expected number of frames."""
        if self.is_resampled:
            return max(1, -int(-self.length * self.rate // 1))
        return -(-(self.stop_frame - self.first_frame) // self.options.every)

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames; their times count from the first one taken."""
        if self._held_frames is not None:
            return iter(self._held_frames)
        frames = self._decode_frames()
        taken = (frame for n, frame in enumerate(frames) if n % self.options.every == 0)
        return resample_frames(taken, self.rate, self._end_of) if self.is_resampled else taken

    def frames_from(self, start: int = 0) -> Iterator[Frame]:
        """Yield the frames from number `start` of those taken on.

        All before are decoded too: after a seek some videos (H.264 with gradual refresh) give
        slightly different pictures.
        """
        return itertools.islice(iter(self), start, None)

    def place_of(self, number: int) -> tuple[int, Fraction]:
        """Return the index and the time of frame `number` of those taken, as `Frame` has them."""
        if self.is_resampled:
            return number, number / self.rate
        index = self.first_frame + number * self.options.every
        return index, self.info.frame_time(index) - self.start_time

    def first_picture(self) -> np.ndarray:
        """Return the first picture of the whole clip, also of a subclip: (H, W, 3) uint8 RGB.

        Raises:
            MediaError: It does not decode.
        """
        for frame in self._full_clip:
            return frame.picture
        raise MediaError(f"{self.path} holds no frame that decodes", where=str(self.path))

    def _decode_frames(self) -> Iterator[Frame]:
        """Yield every frame of the span, missing ones repeated from the one before."""
        pictures = PictureSource(
            *(self.path, self.info, self.options, self.first_frame, self.stop_frame),
            size=(self.width, self.height),
        )
        if self._deep_output is not None:
            for index, picture, original in decode_originals(pictures, self._deep_output):
                yield Frame(index, self._time_of(index), picture, original=original)
            return
        for index, picture in decode_pictures(pictures):
            yield Frame(index, self._time_of(index), picture)

    def _time_of(self, index: int) -> Fraction:
        """Return the seconds from the first frame taken to a frame of the source."""
        return self.info.frame_time(index) - self.start_time

    def _end_of(self, frame: Frame) -> Fraction:
        """Return when a frame ends, in seconds from the first one taken, at most the clip's end."""
        following = self.info.frame_time(frame.index + self.options.every)
        return min(self.length, following - self.start_time)

    def parse_frame_number(self, when: str) -> int:
        """Return the number in the source of the frame at `48`, `2s`, `1:02.5` or `40%`.

        Raises:
            SettingsError: The text is not a time, or is past the end.
        """
        return parse_moment(when, self.info, self.path)
