"""A picture that is shown for some time, as if it were a clip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from dreamflow.core.frames import Frame, Original
from dreamflow.core.schedules.timecode import Timeline
from dreamflow.media.output_spec import OutputSpec
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.mattes.matte_files import MatteTarget
from dreamflow.media.sample_format import SampleFormat
from dreamflow.media.sound.hearing import Hearing


@dataclass(frozen=True)
class StillClip:
    """A picture that is shown for some time.

    Attributes:
        picture: uint8 (H, W, 3) RGB.
        rate: Frames per second.
        frames: How many frames it is shown for.
        path: The file that it was read from, if any.
        file_size: Width and height of the picture in that file, in pixels.
        hearing: What schedules hear, if anything.
        original: The picture in its own depth, where the output keeps that.
        samples: What frames are made of, where the output is a film in depth.
    """

    picture: np.ndarray
    rate: Fraction
    frames: int
    path: Path | None = None
    file_size: tuple[int, int] | None = None
    hearing: Hearing | None = None
    original: Original | None = None
    samples: SampleFormat | None = None

    @property
    def has_originals(self) -> bool:
        """Whether its frames have the picture in its own depth, too."""
        return self.original is not None

    @property
    def timeline(self) -> Timeline:
        """The timeline of schedules."""
        signals = self.hearing.signals if self.hearing else None
        return Timeline(self.rate, self.frames / self.rate, signals=signals)

    @property
    def output_spec(self) -> OutputSpec:
        """The size and timing of its frames."""
        height, width = self.picture.shape[:2]
        sources = [self.path] if self.path else []
        spec = OutputSpec.at_constant_rate(width, height, self.rate, self.frames, *sources)
        return replace(spec, samples=self.samples)

    @property
    def matte_target(self) -> MatteTarget:
        """What a matte of it goes with."""
        height, width = self.picture.shape[:2]
        return MatteTarget(
            width,
            height,
            self.file_size or (width, height),
            length=self.timeline.length,
            source_frame_at=lambda seconds: int(seconds * self.rate),
        )

    def hear(self, hearing: Hearing) -> StillClip:
        """Return the same picture whose schedules hear something."""
        return replace(self, hearing=hearing)

    def first_picture(self) -> np.ndarray:
        """Return the picture."""
        return self.picture

    def __len__(self) -> int:
        """Return the number of frames."""
        return self.frames

    def place_of(self, number: int) -> tuple[int, Fraction]:
        """Return the index and the time of a frame, as `Frame` has them."""
        return number, number / self.rate

    def frames_from(self, start: int = 0) -> Iterator[Frame]:
        """Yield the frames from number `start` on: the same picture, each at its own time."""
        for number in range(start, self.frames):
            yield Frame(number, number / self.rate, self.picture, original=self.original)


def matte_target_of(source: Clip | StillClip) -> MatteTarget:
    """Return what a matte of a clip, or of a picture that is shown as one, goes with."""
    return source.matte_target if isinstance(source, StillClip) else MatteTarget.from_clip(source)
