"""A clip: the frames of a film, of an animated picture, or of a folder of pictures, in order."""

from __future__ import annotations

import copy
import itertools
import warnings
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from dreamflow.core.errors import DreamFlowWarning, MediaError, SettingsError
from dreamflow.core.frames import Frame
from dreamflow.core.options.values import fit_size
from dreamflow.core.schedules.timecode import Timecode, Timeline
from dreamflow.core.wording import format_count
from dreamflow.media.options import ClipOptions
from dreamflow.media.output_spec import Chapter, OutputSpec, Sound
from dreamflow.media.read.animated_webp import probe_webp
from dreamflow.media.read.decoders import read_video, resize_picture
from dreamflow.media.read.picture_folder import (
    PictureFolderInfo,
    list_pictures,
    read_picture_folder,
)
from dreamflow.media.read.probe import VideoInfo, probe_video
from dreamflow.media.stills import is_picture, read_picture

DEFAULT_PICTURE_FOLDER_FPS = Fraction(24)
"""Frames per second of a folder of pictures where `fps` does not say."""
EXACT_RATE_BY_ROUNDED_FPS = {
    Fraction(str(number)): Fraction(round(number * 1001 / 1000) * 1000, 1001)
    for number in (23.976, 23.98, 29.97, 47.95, 47.952, 59.94, 119.88)
}


def to_exact_rate(fps: float) -> Fraction:
    """Return frames per second as a fraction; 29.97 is 30000/1001, as everywhere in broadcast."""
    rate = Fraction(str(fps))
    return EXACT_RATE_BY_ROUNDED_FPS.get(rate, rate.limit_denominator(1_000_000))


def probe_source(source: Path, fps: float | None = None) -> VideoInfo | PictureFolderInfo:
    """Return the facts of a film, or of a folder or glob of pictures. Raises MediaError."""
    files = list_pictures(source)
    if files is not None:
        height, width = read_picture(files[0]).shape[:2]
        rate = to_exact_rate(fps) if fps else DEFAULT_PICTURE_FOLDER_FPS
        return PictureFolderInfo(source, files, width, height, rate)
    if not source.exists():
        raise MediaError(f"{source} does not exist")
    if info := probe_webp(source):
        return info
    if is_picture(source):
        raise MediaError(f"{source} is a single picture: `dreamflow frame` dreams it")
    return probe_video(source)


def parse_frame_number(when: str, info: VideoInfo | PictureFolderInfo) -> int:
    """Return the number of the frame shown at `48`, `2s`, `1:02.5` or `40%`, from 0.

    May lie past the end. Raises SettingsError where the text is none of these.
    """
    time = Timecode.parse(when)
    if time.unit == "frames":
        return int(time.amount)
    if time.unit == "percent":
        if time.amount > 100:
            raise SettingsError(f"{when!r} is past the end of the clip")
        return int(time.amount * info.frames / 100)
    return frame_number_at(info, time.amount)


def frame_number_at(info: VideoInfo | PictureFolderInfo, seconds: Fraction) -> int:
    """Return the number of the frame that is shown so many seconds after the first one."""
    if isinstance(info, PictureFolderInfo):
        return int(seconds * info.rate)
    if seconds >= info.length:
        return len(info.timestamps) + int((seconds - info.length) * info.rate)
    tick = int(seconds / info.time_base)
    return max(0, int(np.searchsorted(info.timestamps, tick, side="right")) - 1)


class Clip:
    """The frames that are taken from a source, in order; iterate it for Frames.

    Each iteration decodes anew; never more than a few frames are held. `len` is the number of
    frames expected; a damaged file gives fewer, with a DreamFlowWarning that says how many.
    """

    def __init__(self, source: str | Path, options: ClipOptions | None = None) -> None:
        """Probe the source. Raises MediaError, or SettingsError for a span that it has not."""
        self.path = Path(source)
        self.options = options or ClipOptions()
        self.info = probe_source(self.path, self.options.fps)
        self.width, self.height = fit_size(self.options.size, self.info.width, self.info.height)
        self.first_frame, self.stop_frame = self._parse_span()
        self._full_clip = self
        pictures = isinstance(self.info, PictureFolderInfo)
        wanted = None if pictures or not self.options.fps else to_exact_rate(self.options.fps)
        self.is_resampled = wanted is not None
        self.rate = wanted or self.info.rate / self.options.every
        for note in self.info.notes:
            warnings.warn(note, DreamFlowWarning, 2)

    def subclip(self, first: int, stop: int) -> Clip:
        """Return the same clip from frame `first` up to, not including, `stop`.

        Its timeline is that of this clip, so that a piece is dreamed as it is within the whole.
        """
        part = copy.copy(self)
        part.first_frame, part.stop_frame = first, min(stop, self.info.frames)
        return part

    def _parse_span(self) -> tuple[int, int]:
        frames, options = self.info.frames, self.options
        first = self._parse_flag_frame("--start", options.start) if options.start else 0
        stop = self._parse_flag_frame("--end", options.end) if options.end else frames
        if first >= frames:
            raise SettingsError(
                f"--start {options.start} is past the end: {self.path} has "
                f"{format_count(frames, 'frame')}, {float(self.info.length):.2f} s"
            )
        if stop <= first:
            raise SettingsError(f"--end {options.end} is not after --start {options.start or 0}")
        return first, min(stop, frames)

    def _parse_flag_frame(self, flag: str, frame_or_time: str) -> int:
        """Return `frame_number` of what a flag says; its error names the flag."""
        try:
            return parse_frame_number(frame_or_time, self.info)
        except SettingsError as error:
            raise SettingsError(f"{flag} {error}") from None

    @property
    def source_paths(self) -> list[Path]:
        """What is read: the file, or the pictures and their folders."""
        if isinstance(self.info, PictureFolderInfo):
            return [self.path, *{path.parent for path in self.info.files}]
        return [self.path]

    @property
    def constant_rate(self) -> bool:
        """Whether the frames taken come evenly; else each frame's time says when it is shown."""
        return self.info.constant_rate or self.is_resampled

    @property
    def start_time(self) -> Fraction:
        """Seconds from the source's first frame to the first one taken."""
        return self.info.frame_time(self.first_frame)

    @property
    def length(self) -> Fraction:
        """Seconds that the frames taken last."""
        return self.info.frame_time(self.stop_frame) - self.start_time

    @property
    def output_spec(self) -> OutputSpec:
        """Return what a writer must know to write this clip's frames with its sound."""
        info, sound = self.info, None
        if info.sound_codecs or info.subtitle_codecs:
            cut = self.stop_frame < info.frames
            sound = Sound(
                self.path,
                info.sound_codecs,
                info.start_offset,
                self.start_time,
                cut,
                subtitle_codecs=info.subtitle_codecs,
            )
        return OutputSpec(
            self.width,
            self.height,
            self.rate,
            len(self),
            self.length,
            self.constant_rate,
            info.pixel_aspect,
            sound,
            tuple(self.source_paths),
            self._trim_chapters(),
        )

    def _trim_chapters(self) -> tuple[Chapter, ...]:
        """Return the chapters of the frames taken, in their time; one that is cut into is cut."""
        ends = self.start_time + self.length
        return tuple(
            Chapter(
                max(c.begin, self.start_time) - self.start_time,
                min(c.end, ends) - self.start_time,
                c.title,
            )
            for c in self.info.chapters
            if c.begin < ends and c.end > self.start_time
        )

    @property
    def timeline(self) -> Timeline:
        """What the times of schedules count on: the frames taken, from the first one."""
        whole = self._full_clip
        part = whole.stop_frame - whole.first_frame < whole.info.frames
        return Timeline(whole.rate, whole.length, self.start_time - whole.start_time, part)

    def __len__(self) -> int:
        """Return how many frames are expected."""
        if self.is_resampled:
            return max(1, -int(-self.length * self.rate // 1))
        return -(-(self.stop_frame - self.first_frame) // self.options.every)

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames; times count from the first one taken."""
        frames = self._decode_frames()
        taken = (frame for n, frame in enumerate(frames) if n % self.options.every == 0)
        return self._resample(taken) if self.is_resampled else taken

    def first_picture(self) -> np.ndarray:
        """Return the first picture of the whole, uint8 (H, W, 3) RGB, also where this is a piece.

        Raises MediaError where it does not decode.
        """
        for frame in self._full_clip:
            return frame.picture
        raise MediaError(f"{self.path} has no frame that decodes")

    def frames_from(self, start: int = 0) -> Iterator[Frame]:
        """Yield the frames from the one of number `start`, of those taken, on.

        All before it are decoded too: after a seek some films (H.264 that only recovers by and by)
        give pictures that are a little different.
        """
        return itertools.islice(iter(self), start, None)

    @property
    def files(self) -> list[Path]:
        """The files that the frames are in."""
        return list(self.info.files) if isinstance(self.info, PictureFolderInfo) else [self.path]

    def _decode_frames(self) -> Iterator[Frame]:
        """Yield every frame of the span; where one is missing, the picture before stands in."""
        if isinstance(self.info, PictureFolderInfo):
            reader = read_picture_folder(self.info, self.first_frame)
        else:
            reader = read_video(self.info, self.first_frame, self.options.decoder)
        coming, lost, shown = self.first_frame, 0, None
        for index, picture in reader:
            picture = resize_picture(picture, self.width, self.height)
            for missing in range(coming, min(index, self.stop_frame)):
                lost += 1
                yield self._make_frame(missing, picture if shown is None else shown)
            if index >= self.stop_frame:
                coming = self.stop_frame
                break
            yield self._make_frame(index, picture)
            coming, shown = index + 1, picture
        self._report_lost(lost, self.stop_frame - coming)

    def _make_frame(self, index: int, picture: np.ndarray) -> Frame:
        return Frame(index, self.info.frame_time(index) - self.start_time, picture)

    def _report_lost(self, repeated: int, missing_at_end: int) -> None:
        expected = self.stop_frame - self.first_frame
        if repeated + missing_at_end >= expected:
            raise MediaError(
                f"{self.path} holds no frame that decodes from frame {self.first_frame} on"
            )
        parts = [f"{repeated} shown as the one before"] if repeated else []
        parts += [f"{missing_at_end} at the end left out"] if missing_at_end else []
        if parts:
            warnings.warn(
                f"{self.path.name} is damaged or cut short: {repeated + missing_at_end} of {expected} frames "
                f"could not be decoded ({', '.join(parts)})",
                DreamFlowWarning,
                2,
            )

    def _resample(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Show at each even time the frame that the source shows then; indices count anew."""
        shown: Frame | None = None
        out = 0
        for coming in frames:
            while shown is not None and out / self.rate < coming.time:
                yield Frame(out, out / self.rate, shown.picture)
                out += 1
            shown = coming
        if shown is None:
            return
        end = min(
            self.length, self.info.frame_time(shown.index + self.options.every) - self.start_time
        )
        while out / self.rate < end:
            yield Frame(out, out / self.rate, shown.picture)
            out += 1

    def parse_frame_number(self, when: str) -> int:
        """Return the number of the frame at `48`, `2s`, `1:02.5` or `40%` of the source.

        Raises SettingsError where it is past the end.
        """
        number = self._parse_flag_frame("--at", when)
        last = self.info.frames - 1
        if when.strip().endswith("%"):
            number = min(number, last)
        if number > last:
            raise SettingsError(
                f"--at {when} is past the end: {self.path} has frames 0 to {last}, "
                f"{float(self.info.length):.2f} s"
            )
        return number


def open_clip(
    source: str | Path,
    *,
    size: str | None = None,
    start: str | float | None = None,
    end: str | float | None = None,
    every: int = ClipOptions.every,
    fps: float | None = None,
    decoder: str = ClipOptions.decoder,
) -> Clip:
    """Open a film, an animated picture, or a folder or glob of pictures.

    The settings are those of ClipOptions; `start` and `end` may be whole numbers (frames) or
    floats (seconds), too. Raises MediaError or SettingsError.
    """
    first, stop = (f"{when}s" if isinstance(when, float) else when for when in (start, end))
    options = ClipOptions(
        size=size,
        start=None if first is None else str(first),
        end=None if stop is None else str(stop),
        every=every,
        fps=fps,
        decoder=decoder,
    )
    return Clip(source, options)
