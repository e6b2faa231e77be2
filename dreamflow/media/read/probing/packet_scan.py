"""The packets of a video track, read without decoding them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import av
import av.container
import av.error
import numpy as np

from dreamflow.media.read.probing.nal_packets import make_completion_test

PacketRow = tuple[int, int, int, int, bool, bool]
"""A packet's pts, dts, duration, size, is_key and is_shown; see `Packets`."""
NO_TIME = np.iinfo(np.int64).min
"""Stands for a time stamp that a packet does not have."""
MAX_EMPTY_PACKET_BYTES = 1
"""Size up to which an MPEG-4 packet holds no frame: AVI's "not coded" packets."""


@dataclass(frozen=True)
class Packets:
    """The packets of a video track in file order; times in its time base, NO_TIME for none.

    Attributes:
        pts: (packets,) int64, presentation times.
        dts: (packets,) int64, decoding times.
        durations: (packets,) int64; 0 where unknown.
        sizes: (packets,) int64, bytes.
        is_key: (packets,) bool, whether decoding can begin with the packet.
        is_shown: (packets,) bool, False for packets that give no frame to be shown.
        missing_s: Seconds that the file is shorter than its header says.
    """

    pts: np.ndarray
    dts: np.ndarray
    durations: np.ndarray
    sizes: np.ndarray
    is_key: np.ndarray
    is_shown: np.ndarray
    missing_s: float


def scan_packets(container: av.container.InputContainer, stream: av.VideoStream) -> Packets:
    """Read all packets; a file that is cut short gives those before the cut."""
    rows: list[PacketRow] = []
    is_hidden = HIDDEN_FRAME_TESTS.get(stream.codec_context.name, _is_never_hidden)
    completes_frame = make_completion_test(stream)
    end_s, last_shown = 0.0, None
    try:
        for packet in container.demux():
            time_base: Any = packet.time_base  # PyAV's stubs leave out None
            if packet.size == 0:
                continue
            stamp = packet.pts if packet.pts is not None else packet.dts
            if stamp is not None and time_base is not None:
                end_s = max(end_s, float((stamp + (packet.duration or 0)) * time_base))
            if packet.stream_index == stream.index:
                pts, dts = (NO_TIME if t is None else t for t in (packet.pts, packet.dts))
                duration = packet.duration or 0
                completes = completes_frame(packet)
                if completes and last_shown is not None:
                    rows[last_shown] = _lengthen(rows[last_shown], duration)
                shown = not (packet.is_discard or completes or is_hidden(packet))
                last_shown = len(rows) if shown else last_shown
                rows.append((pts, dts, duration, packet.size, packet.is_keyframe, shown))
    except av.error.FFmpegError:
        pass  # what is missing is told by `missing_s`
    pts, dts, durations, sizes, is_key, is_shown = np.array(rows, np.int64).reshape(-1, 6).T
    is_shown = is_shown.astype(bool)
    if stream.frames == len(rows) and stream.duration and is_shown.any():
        # All frames are there, so a longer stream than its packets is a last frame that is held.
        last = int(np.argmax(np.where(is_shown, pts, NO_TIME)))
        held_to = (stream.start_time or 0) + stream.duration
        if pts[last] != NO_TIME:
            durations[last] = max(durations[last], held_to - pts[last])
            end_s = max(end_s, float(held_to * (stream.time_base or 0)))
    declared_s = (container.duration or 0) / av.time_base
    # Matroska's duration is counted from 0, wherever the film begins; most others' from there.
    is_from_zero = "matroska" in container.format.name
    start_s = 0.0 if is_from_zero else max(0.0, (container.start_time or 0) / av.time_base)
    return Packets(
        pts,
        dts,
        durations,
        sizes,
        is_key.astype(bool),
        is_shown,
        declared_s - (end_s - start_s) if rows else 0.0,
    )


def _lengthen(row: PacketRow, duration: int) -> PacketRow:
    pts, dts, own_duration, size, is_key, is_shown = row
    return pts, dts, own_duration + duration, size, is_key, is_shown


def _is_never_hidden(packet: av.Packet[Any]) -> bool:
    return False


def _is_mpeg4_placeholder(packet: av.Packet[Any]) -> bool:
    """Return whether a packet only stands in AVI for a frame that another packet holds."""
    return packet.size <= MAX_EMPTY_PACKET_BYTES


def _is_hidden_vp8(packet: av.Packet[Any]) -> bool:
    """Return whether a frame is only referred to: its `show_frame` bit (RFC 6386, 9.1)."""
    return not memoryview(packet)[0] & 0x10


def _is_hidden_vp9(packet: av.Packet[Any]) -> bool:
    """Return whether a packet is one frame that is only referred to (VP9 specification, 6.2)."""
    data = memoryview(packet)
    is_superframe = data[-1] & 0xE0 == 0xC0
    profile, shows_existing, show_frame = data[0] >> 4 & 3, data[0] & 0x08, data[0] & 0x02
    return not (is_superframe or profile == 3 or shows_existing or show_frame)


HIDDEN_FRAME_TESTS: dict[str, Callable[[av.Packet[Any]], bool]] = {
    "mpeg4": _is_mpeg4_placeholder,
    "vp8": _is_hidden_vp8,
    "libvpx": _is_hidden_vp8,
    "vp9": _is_hidden_vp9,
    "libvpx-vp9": _is_hidden_vp9,
}
"""Tests of packets that give no frame to be shown, by codec."""
