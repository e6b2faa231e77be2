"""Whether a worker reads the pictures that the shots were found in.

Of a large clip, a job's fingerprint holds only parts, and another decoder may give other pictures
of the same file. So the plan has a checksum of each picture, and a worker compares what it dreams.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from dreamflow.core.errors import MediaError, named
from dreamflow.core.frames import Frame
from dreamflow.pipelines.pipeline import FramesFrom


def seal_picture(picture: np.ndarray) -> int:
    """Return a checksum of a picture, a CRC-32."""
    return zlib.crc32(np.ascontiguousarray(picture).data)


def seal_pictures(frames: Iterable[Frame], seals: list[int]) -> Iterator[Frame]:
    """Yield frames, and add the checksum of each picture to a list."""
    for frame in frames:
        seals.append(seal_picture(frame.picture))
        yield frame


def check_pictures(frames_from: FramesFrom, seals: Sequence[int], clip: str) -> FramesFrom:
    """Return what gives the same frames, and checks each.

    Args:
        frames_from: Gives a clip's frames from a number on.
        seals: The checksum of each picture of the clip.
        clip: The clip, for messages.

    Returns:
        What raises MediaError at the first picture that is another one.
    """

    def checked_from(start: int) -> Iterator[Frame]:
        for number, frame in enumerate(frames_from(start), start=start):
            if seal_picture(frame.picture) != seals[number]:
                raise MediaError(
                    f"{clip}: frame {number} is another picture here than where the shots were "
                    f"found: its file or decoder differs; {named('mixed')} renders all the same",
                    setting="mixed",
                    where=clip,
                )
            yield frame

    return checked_from
