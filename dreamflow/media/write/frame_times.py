"""When the frames of an output are shown, and how long the last one is held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from dreamflow.media.output_spec import OutputSpec


@dataclass(frozen=True)
class FrameTimes:
    """When each frame of an output is shown.

    Attributes:
        starts: Seconds from the first frame, rising; at least one.
        end: Seconds from the first frame to the end of the last one.
    """

    starts: tuple[Fraction, ...]
    end: Fraction


def find_frame_times(starts: Sequence[Fraction], output_spec: OutputSpec) -> FrameTimes:
    """Return the times of the frames that an output has, which may be fewer than expected.

    Args:
        starts: Seconds at which each frame is shown, rising.
        output_spec: The output; where all of its frames are there, the last one is held to the
            end, else for the mean time of a frame.
    """
    end = starts[-1] + 1 / output_spec.rate
    if len(starts) >= output_spec.frames and output_spec.length > starts[-1]:
        end = output_spec.length
    return FrameTimes(tuple(starts), end)
