"""Decoding packets to numbered frames: each packet takes the number of its frame along.

So frames are placed by the time stamps of their packets, whatever the codec reorders or drops.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

import av
import av.container
import av.error
import numpy as np

from dreamflow.media.read.video.video_info import NO_FRAME, PacketTable

MAX_MATCHED_PACKETS = 32
"""Packets after a seek among which one must be recognised."""

MAX_UNCHANGED_PACKET_BYTES = 16
"""Size up to which a packet that a screen codec refuses says that nothing has changed."""

NumberedPacket: TypeAlias = "tuple[int, av.Packet[av.VideoStream]]"
"""A packet, and its position among the packets of its track."""


class DecodedFrame(NamedTuple):
    """A decoded frame.

    Attributes:
        number: Its number; negative before the first frame of the film.
        frame: The frame.
    """

    number: int
    frame: av.VideoFrame


def decode_packets(
    packets: Iterable[NumberedPacket], decoder: av.VideoCodecContext, table: PacketTable
) -> Iterator[DecodedFrame]:
    """Yield the frames of packets, in the order in which they are shown; failed ones are left out.

    Where a packet tells that nothing has changed, the frame before comes again.

    Args:
        packets: From the start of the track on, or from a packet that decoding can begin with.
        decoder: The track's decoder.
        table: The track's packets.
    """
    sizes = table.frame_sizes() if table.may_repeat else np.zeros(0, np.int64)
    last, failures, final = -1, 0, int(table.frame_numbers.max(initial=-1))
    shown: av.VideoFrame | None = None
    for frame in _decode(packets, decoder, table):
        if frame is None:
            failures += 1
            continue
        number = frame.pts
        if table.order == "counted":  # one packet may fail twice, but no frame is past the last
            number = min(last + 1 + failures, final)
        if number is None or 0 <= number <= last:  # of a packet that holds no frame to be shown
            continue
        if shown is not None:
            yield from _repeat(shown, range(last + 1, number), failures, sizes)
        yield DecodedFrame(number, frame)
        last, failures, shown = number, 0, frame
    if shown is not None:
        yield from _repeat(shown, range(last + 1, len(sizes)), failures, sizes)


def _repeat(
    frame: av.VideoFrame, numbers: range, failures: int, sizes: np.ndarray
) -> Iterator[DecodedFrame]:
    """Yield a frame again for the packets after it that gave none and did not fail.

    `sizes` are those of the packets by frame number; empty where a codec does not repeat frames.
    """
    for number in numbers:
        if number < len(sizes) and (not failures or sizes[number] <= MAX_UNCHANGED_PACKET_BYTES):
            yield DecodedFrame(number, frame)


def _decode(
    packets: Iterable[NumberedPacket], decoder: av.VideoCodecContext, table: PacketTable
) -> Iterator[av.VideoFrame | None]:
    """Yield each frame, with its packet's number as time stamp, or None for a failed packet."""
    for position, packet in packets:
        if position < table.first:
            continue
        number = table.frame_number(position)
        has_number = number != NO_FRAME and table.order != "counted"
        packet.pts, packet.dts = number if has_number else None, None
        try:
            yield from decoder.decode(packet)
        except av.error.FFmpegError:
            yield None
    try:
        yield from decoder.decode(None)
    except av.error.FFmpegError:
        yield None


def demux_from_start(
    container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[NumberedPacket]:
    """Yield all packets of a track with their positions; a broken container ends it."""
    return enumerate(_demux(container, stream))


def demux_from(
    container: av.container.InputContainer, stream: av.VideoStream, stamp: int, table: PacketTable
) -> Iterator[NumberedPacket] | None:
    """Return the packets from a key frame before a time stamp on, or None where they are unknown.

    Args:
        container: The file.
        stream: The track.
        stamp: Time to seek to, in the track's time base and the container's time.
        table: The track's packets, which those found are compared with.
    """
    try:
        container.seek(stamp, stream=stream, backward=True)
    except av.error.FFmpegError:
        return None
    packets = _demux(container, stream)
    head: list[av.Packet[av.VideoStream]] = []
    for packet in packets:
        head.append(packet)
        found = np.flatnonzero((table.pts == packet.pts) & (table.sizes == packet.size))
        if packet.pts is not None and len(found) == 1:
            begin = int(found[0]) - len(head) + 1
            return _numbered(begin, head, packets) if begin >= 0 else None
        if len(head) == MAX_MATCHED_PACKETS:
            return None
    return None


def _numbered(
    begin: int, head: list[av.Packet[av.VideoStream]], packets: Iterator[av.Packet[av.VideoStream]]
) -> Iterator[NumberedPacket]:
    yield from enumerate(head, start=begin)
    yield from enumerate(packets, start=begin + len(head))


def _demux(
    container: av.container.InputContainer, stream: av.VideoStream
) -> Iterator[av.Packet[av.VideoStream]]:
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.error.FFmpegError:
            return
        if packet is None:
            return
        if packet.size:
            yield packet
