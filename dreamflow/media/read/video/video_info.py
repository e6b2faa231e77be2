"""What is known of a video file before its frames are decoded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from dreamflow.media.colour.rgb_conversion import ColourConversion
from dreamflow.media.output_spec import Chapter

IndexedPictures = Iterator[tuple[int, np.ndarray]]
"""What a decoder yields: (frame number, picture) in display order, pictures (H, W, 3) uint8 RGB
of the size that the probe found, upright. It ends where nothing more decodes."""


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
        is_interlaced: Whether a frame consists of two fields.
        codec: FFmpeg's name of the decoder.
        pixel_format: FFmpeg's name of the pixel format.
        sound_codecs: Codec of each sound track.
        subtitle_codecs: Codec of each subtitle track.
        chapters: Chapters, in time from the first frame.
        notes: Warnings of what the conversion to RGB loses.
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

    def frame_time(self, index: int) -> Fraction:
        """Return the seconds from the first frame to frame `index`, which may be past the end."""
        if index < len(self.timestamps):
            return int(self.timestamps[index]) * self.time_base
        return self.length + (index - len(self.timestamps)) / self.rate


def transparency_note(path: Path) -> str:
    """Return the warning of a video with transparency."""
    return f"{path.name} has transparency: it is laid over black"
