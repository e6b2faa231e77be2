"""A source that is open: its facts, and the times of its frames."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from dreamflow.core.schedules.timecode import Timeline
from dreamflow.media.read.clip import Clip
from dreamflow.media.stills.read import is_still, read_picture_size


@dataclass(frozen=True)
class SourceFacts:
    """Facts of a source.

    Attributes:
        path: The file or folder.
        width: In pixels.
        height: In pixels.
        frames: How many; 1 of a picture.
        rate: Frames per second; 0 of a picture.
        notes: What is lost of it, a line each.
        clip: The clip; None of a picture.
    """

    path: Path
    width: int
    height: int
    frames: int
    rate: Fraction
    notes: tuple[str, ...] = ()
    clip: Clip | None = field(default=None, compare=False, repr=False)

    @property
    def is_clip(self) -> bool:
        """Whether it moves."""
        return self.rate > 0

    @property
    def duration_text(self) -> str:
        """Its size, length and rate in words."""
        size = f"{self.width}x{self.height}"
        if not self.is_clip:
            return size
        seconds = float(self.frames / self.rate)
        return f"{size} · {self.frames} frames · {seconds:.2f} s · {float(self.rate):.5g} fps"

    def frame_time(self, frame: int) -> Fraction:
        """Return the seconds from the first frame to another; 0 of a picture."""
        return self.clip.info.frame_time(frame) if self.clip else Fraction(0)

    def frame_at(self, seconds: float) -> int:
        """Return the number of the frame that is shown at a time."""
        after = bisect_right(range(self.frames), seconds, key=lambda n: float(self.frame_time(n)))
        return max(0, after - 1)

    def film_timeline(self, first: int, stop: int) -> Timeline:
        """Return the timeline of a film of some of the frames, which schedules refer to.

        Args:
            first: Number of its first frame.
            stop: Number of the frame that it stops before; 0 for the end.
        """
        stop = stop or self.frames
        length = self.frame_time(stop) - self.frame_time(first)
        is_even = self.clip is None or self.clip.info.constant_rate or length <= 0
        rate = self.rate if is_even else (stop - first) / length
        return Timeline(rate, length, is_partial=stop - first < self.frames)


def read_source_facts(path: Path) -> SourceFacts:
    """Open a source, and return its facts.

    Raises:
        MediaError: It cannot be read.
    """
    if is_still(path):
        width, height = read_picture_size(path)
        return SourceFacts(path, width, height, 1, Fraction(0))
    clip = Clip(path)
    return SourceFacts(
        path,
        clip.width,
        clip.height,
        clip.info.frames,
        clip.rate,
        (*clip.info.notes, *clip.info.losses),
        clip,
    )
