"""The shots of a clip: where each begins, and how long it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from dreamflow.core.callbacks import DoneCallback
from dreamflow.core.frames import Frame
from dreamflow.media.options import ClipOptions
from dreamflow.media.read.clip import Clip
from dreamflow.temporal.shots import Mark, find_shots

SEARCH_SIZE = "320"
"""Longer side of the frames that are searched, in pixels."""


@dataclass(frozen=True)
class Shot:
    """A shot of a clip.

    Attributes:
        first: Its first frame; its picture is empty unless pictures are kept.
        frames: Its number of frames.
        length: Its length, in seconds.
    """

    first: Frame
    frames: int
    length: Fraction

    @property
    def start(self) -> Fraction:
        """When it begins, in seconds."""
        return self.first.time


def list_shots(
    clip: Clip | str | Path,
    *,
    keep_pictures: bool = False,
    progress: DoneCallback = lambda done: None,
) -> list[Shot]:
    """Find the shots of a clip. Flashes, fades and fast pans are not taken for cuts.

    Args:
        clip: A clip, best a small one; a path is opened at 320 pixels.
        keep_pictures: Whether each shot keeps the picture of its first frame.
        progress: Called with the number of frames looked at.

    Raises:
        MediaError: The clip cannot be read.
    """
    source = clip if isinstance(clip, Clip) else Clip(clip, ClipOptions(size=SEARCH_SIZE))
    first_frames: list[Frame] = []
    frame_count = 0
    for number, (frame, mark) in enumerate(find_shots(source), start=1):
        if mark is Mark.CUT:
            kept = frame if keep_pictures else replace(frame, picture=frame.picture[:0])
            first_frames.append(kept)
        frame_count = frame.index + 1
        progress(number)
    ends = [(frame.index, frame.time) for frame in first_frames[1:]]
    ends.append((frame_count, source.length))
    return [
        Shot(frame, end_frame - frame.index, end_time - frame.time)
        for frame, (end_frame, end_time) in zip(first_frames, ends, strict=True)
    ]
