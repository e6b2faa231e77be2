"""Frame counts and time stamps of a video from its packets, without decoding them.

Headers are often wrong about both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import av
import av.container
import av.error
import numpy as np

MAX_EMPTY_PACKET_BYTES = 1
"""Size up to which an MPEG-4 packet holds no frame: AVI's "not coded" packets."""
MIN_SCAN_FRAMES = 3
"""Frames from which on the median step between time stamps says something."""
HIDDEN_FRAME_STEP_RATIO = 1 / 4
"""Share of the median step below which a VP8 or VP9 frame is a hidden one before a shown one."""
MAX_DECLARED_COUNT_RATIO = 1000
"""Declared frame counts this many times the count of packets are not believed."""


@dataclass
class PacketScan:
    """What the packets of a video tell.

    Attributes:
        timestamps: (frames,) int64, sorted: presentation times in the stream's time base.
        last_duration: Duration of the last frame in the stream's time base; 0 where unknown.
        discarded_packets: Packets that are decoded but not shown.
        missing_s: Seconds that the file is shorter than its header says.
    """

    timestamps: np.ndarray
    last_duration: int
    discarded_packets: int
    missing_s: float


def scan_packets(container: av.container.InputContainer, stream: av.VideoStream) -> PacketScan:
    """Read every packet's time stamp; a file that is cut short gives those before the cut."""
    duration_by_time: dict[int, int] = {}
    discarded, end_s = 0, 0.0
    try:
        for packet in container.demux():
            time_base: Any = packet.time_base  # PyAV's stubs leave out None
            if packet.size == 0 or packet.pts is None or time_base is None:
                continue
            duration = packet.duration or 0
            end_s = max(end_s, float((packet.pts + duration) * time_base))
            if packet.stream.index != stream.index:
                continue
            if packet.is_discard or _is_empty_packet(stream, packet):
                discarded += 1
            else:
                duration_by_time[packet.pts] = duration
    except av.error.FFmpegError:
        pass  # the missing rest is reported after decoding
    declared_s = (container.duration or 0) / 1e6
    ordered = np.array(sorted(duration_by_time), np.int64)
    last = duration_by_time[int(ordered[-1])] if len(ordered) else 0
    return PacketScan(_drop_hidden_frames(stream, ordered), last, discarded, declared_s - end_s)


def declared_frame_count(stream: av.VideoStream, scan: PacketScan) -> int:
    """Return the header's frame count without discarded frames, or the scan's if implausible."""
    scanned, declared = len(scan.timestamps), (stream.frames or 0) - scan.discarded_packets
    return declared if scanned < declared < MAX_DECLARED_COUNT_RATIO * scanned else scanned


def _is_empty_packet(stream: av.VideoStream, packet: av.Packet) -> bool:
    """Return whether a packet only repeats the frame before, as AVI's MPEG-4 does."""
    return stream.codec_context.name == "mpeg4" and packet.size <= MAX_EMPTY_PACKET_BYTES


def _drop_hidden_frames(stream: av.VideoStream, timestamps: np.ndarray) -> np.ndarray:
    is_vpx = stream.codec_context.name.startswith(("vp8", "vp9", "libvpx"))
    if not is_vpx or len(timestamps) < MIN_SCAN_FRAMES:
        return timestamps
    steps = np.diff(timestamps)
    keep = np.append(steps >= np.median(steps) * HIDDEN_FRAME_STEP_RATIO, True)
    return timestamps[keep]
