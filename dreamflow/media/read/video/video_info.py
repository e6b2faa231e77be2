"""What is known of a video file before its frames are decoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from dreamflow.media.colour.carried_tags import ColourTags
from dreamflow.media.colour.premultiplied import is_premultiplied
from dreamflow.media.colour.rgb_conversion import ColourConversion
from dreamflow.media.files.container_policy import PLAYLIST_FORMAT
from dreamflow.media.output_spec import Chapter

NO_FRAME = np.iinfo(np.int64).min
"""Stands for the frame number of a packet that holds no frame to be shown."""

IndexedPictures = Iterator[tuple[int, np.ndarray]]
"""What a decoder yields: (frame number, picture) in display order, pictures (H, W, 3) uint8 RGB
of the size that the probe found, upright. It ends where nothing more decodes. Asked for frames from
a number on, it may begin with one before that, to stand in for frames that do not decode."""


@dataclass(frozen=True)
class PacketTable:
    """The packets of a video track in file order.

    Attributes:
        frame_numbers: (packets,) int64, number of the frame that each packet holds; NO_FRAME for
            none, negative for frames before the first one that decodes.
        pts: (packets,) int64, presentation times in the container's time base.
        sizes: (packets,) int64, bytes.
        first: Position of the first packet to decode.
        order: How frames are numbered: "stamps", by the times of their packets; "counted", as the
            decoder gives them, where packets have no times, or only those of decoding.
        is_seekable: Whether a time stamp means one place in the file, and decoding can begin at a
            packet that is marked as a key.
        may_repeat: Whether a packet without a frame says that nothing has changed.
    """

    frame_numbers: np.ndarray
    pts: np.ndarray
    sizes: np.ndarray
    first: int = 0
    order: Literal["stamps", "counted"] = "stamps"
    is_seekable: bool = True
    may_repeat: bool = False

    def frame_number(self, position: int) -> int:
        """Return the number of the frame that a packet holds, NO_FRAME for none."""
        return int(self.frame_numbers[position]) if position < len(self.frame_numbers) else NO_FRAME

    def frame_sizes(self) -> np.ndarray:
        """Return the bytes of each frame's packet, (frames,) int64."""
        held = self.frame_numbers >= 0
        sizes = np.zeros(int(self.frame_numbers.max(initial=-1)) + 1, np.int64)
        sizes[self.frame_numbers[held]] = self.sizes[held]
        return sizes


class Doubt(NamedTuple):
    """What a source does not say, or says wrongly by its looks.

    Attributes:
        setting: Name of the setting that says it.
        warning: What it is taken for where the user leaves that out.
    """

    setting: str
    warning: str


@dataclass(frozen=True)
class VideoInfo:
    """Facts of a video file.

    Attributes:
        path: The file.
        width: In pixels as displayed, after rotation.
        height: In pixels as displayed, after rotation.
        pixel_aspect: Width of a pixel over its height, as displayed.
        rate: Frames per second; the mean where it varies.
        constant_rate: Whether frames come evenly.
        time_base: Seconds of one unit of `timestamps`.
        timestamps: (frames,) int64, sorted: presentation time of each frame after the first one.
        first_timestamp: Presentation time of the first frame, in the container's time.
        length: Seconds from the first frame to the end of the last.
        frames: Number of frames that there should be.
        start_offset: Seconds from the container's start to the first frame.
        orientation: (a, b, c, d) of the display matrix, each -1, 0 or 1.
        colour: Conversion of frames to RGB.
        is_interlaced: Whether one of the first frames consists of two fields.
        codec: FFmpeg's name of the decoder.
        pixel_format: FFmpeg's name of the pixel format.
        sound_codecs: Codec of each sound track that is wanted.
        subtitle_codecs: Codec of each subtitle track.
        chapters: Chapters, in time from the first frame.
        notes: Warnings of what is missing.
        packets: The packets of the track; None for what FFmpeg does not read.
        track: Number of the track among all streams of the file.
        sound_track: Number of the sound track that was asked for; None for all.
        playlist_files: Files that a playlist names, each once, in order; empty for a film.
        assumptions: Warnings of what reading does to every output.
        losses: Warnings of what 8-bit pictures lose, and pictures in depth do not.
        left_out: Warnings of what pictures in depth leave out.
        doubts: What the film leaves in doubt.
        tags: What the film says of its colours.
    """

    path: Path
    width: int
    height: int
    pixel_aspect: Fraction
    rate: Fraction
    constant_rate: bool
    time_base: Fraction
    timestamps: np.ndarray
    first_timestamp: int
    length: Fraction
    frames: int
    start_offset: Fraction
    orientation: tuple[int, int, int, int]
    colour: ColourConversion
    is_interlaced: bool
    codec: str
    pixel_format: str
    sound_codecs: tuple[str, ...]
    subtitle_codecs: tuple[str, ...]
    chapters: tuple[Chapter, ...]
    notes: tuple[str, ...]
    packets: PacketTable | None = None
    track: int = 0
    sound_track: int | None = None
    playlist_files: tuple[Path, ...] = ()
    assumptions: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    tags: ColourTags = ColourTags()

    @property
    def film_format(self) -> str | None:
        """FFmpeg's name of the format that the file is opened in; None lets FFmpeg find it out."""
        return PLAYLIST_FORMAT if self.playlist_files else None

    def associated(self, alpha: str) -> VideoInfo:
        """Return the facts with colours taken as the setting `alpha` says; films are straight."""
        multiplied = is_premultiplied(alpha, by_format=False)
        return replace(self, colour=replace(self.colour, is_premultiplied=multiplied))

    def frame_time(self, index: int) -> Fraction:
        """Return the seconds from the first frame to frame `index`, which may be past the end."""
        if index < len(self.timestamps):
            return int(self.timestamps[index]) * self.time_base
        return self.length + (index - len(self.timestamps)) / self.rate


def transparency_note(path: Path) -> str:
    """Return the warning of a video with transparency."""
    return f"{path.name} has transparency: it is laid over black"
