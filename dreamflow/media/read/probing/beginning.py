"""The beginning of a video track: the first frame that decodes, and what it tells."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av

from dreamflow.media.colour.side_data import SideData, read_side_data
from dreamflow.media.files.film_file import open_film
from dreamflow.media.read.video.packet_decoding import (
    DecodedFrame,
    decode_packets,
    demux_from_start,
)
from dreamflow.media.read.video.video_info import PacketTable

PROBED_FRAMES = 4
"""Frames that are decoded to know a file."""
MAX_DAMAGED_FRAMES = 600
"""Frames among which a whole one is looked for where the first is damaged."""


@dataclass(frozen=True)
class Beginning:
    """What the first frames that decode tell.

    Attributes:
        frame: The first frame.
        number: Its number among all frames; those before it do not decode.
        side_data: Of that frame.
        is_interlaced: Whether one of the first frames consists of two fields.
    """

    frame: av.VideoFrame
    number: int
    side_data: SideData
    is_interlaced: bool


def decode_beginning(
    path: Path, film_format: str | None, stream_index: int, table: PacketTable
) -> Beginning | None:
    """Return what the first frames that decode tell, or None where none does."""
    with open_film(path, film_format) as container:
        stream = container.streams[stream_index]
        assert isinstance(stream, av.VideoStream)
        packets = demux_from_start(container, stream)
        decoded = decode_packets(packets, stream.codec_context, table)
        shown = (item for item in decoded if item.number >= 0)
        first = _find_first_whole(shown)
        if first is None:
            return None
        interlaced = [first.frame.interlaced_frame]
        interlaced += [item.frame.interlaced_frame for item in islice(shown, PROBED_FRAMES - 1)]
        return Beginning(first.frame, first.number, read_side_data(first.frame), any(interlaced))


def _find_first_whole(frames: Iterator[DecodedFrame]) -> DecodedFrame | None:
    """Return the first frame, or, where that is damaged, the next whole one that needs no other."""
    first: DecodedFrame | None = None
    for item in islice(frames, MAX_DAMAGED_FRAMES):
        is_whole = not item.frame.is_corrupt
        if is_whole and (first is None or item.frame.key_frame):
            return item
        first = first or item
    return first
