"""From packets to frames: which frame each packet holds, and when that frame is shown.

Frames are numbered in the order in which they are shown. Time stamps may begin again or jump, as
where recordings are joined: they are unwrapped, each part following the one before.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np

from dreamflow.media.read.probing.packet_scan import NO_TIME, Packets
from dreamflow.media.read.video.video_info import NO_FRAME

MAX_GAP_S = 10
"""Seconds between packets of a broadcast format from which on a gap is a jump of its clock; as
FFmpeg's `-dts_delta_threshold`."""
MAX_REORDERING_S = 1
"""Seconds that presentation times may go back in file order by reordering alone."""


@dataclass(frozen=True)
class FrameOrder:
    """The frames of a video track.

    Attributes:
        frame_of_packet: (packets,) int64, number of each packet's frame; NO_FRAME for none.
        timestamps: (frames,) int64, rising: time of each frame after the first one, in the time
            base of the packets.
        first_timestamp: Stamp of the first frame, in the container's time.
        last_duration: Of the last frame, in the time base; 0 where unknown.
        is_stamped: Whether the packets have times; without, frames are in the order of decoding.
        has_jumps: Whether time stamps begin again or jump.
    """

    frame_of_packet: np.ndarray
    timestamps: np.ndarray
    first_timestamp: int
    last_duration: int
    is_stamped: bool
    has_jumps: bool

    def without_first(self, frames: int) -> FrameOrder:
        """Return the order without the first frames; packets of these get negative numbers."""
        if not frames:
            return self
        held = self.frame_of_packet != NO_FRAME
        return FrameOrder(
            np.where(held, self.frame_of_packet - frames, NO_FRAME),
            self.timestamps[frames:] - self.timestamps[frames],
            self.first_timestamp + int(self.timestamps[frames]),
            self.last_duration,
            self.is_stamped,
            self.has_jumps,
        )


def order_frames(packets: Packets, time_base: Fraction, has_clock_jumps: bool) -> FrameOrder:
    """Number the frames of a track in the order in which they are shown.

    Args:
        packets: Its packets.
        time_base: Seconds of a unit of time.
        has_clock_jumps: Whether the format's clock may jump forwards, as in a broadcast.
    """
    shown = np.flatnonzero(packets.is_shown)
    frame_of_packet = np.full(len(packets.pts), NO_FRAME, np.int64)
    pts, dts = packets.pts[shown], packets.dts[shown]
    if (pts == NO_TIME).all() and (dts == NO_TIME).all():
        frame_of_packet[shown] = np.arange(len(shown))
        return FrameOrder(frame_of_packet, np.arange(len(shown)), 0, 1, False, False)
    pts = _fill_times(np.where(pts == NO_TIME, dts, pts))
    times, has_jumps = _unwrap(pts, dts, packets.durations[shown], time_base, has_clock_jumps)
    stamps, number = np.unique(times, return_inverse=True)
    frame_of_packet[shown] = number
    last = int(np.flatnonzero(number == len(stamps) - 1)[0])
    return FrameOrder(
        frame_of_packet,
        stamps - stamps[0],
        int(stamps[0]),
        int(packets.durations[shown][last]),
        True,
        has_jumps,
    )


def _fill_times(times: np.ndarray) -> np.ndarray:
    """Return times with each missing one between its neighbours in file order."""
    known = np.flatnonzero(times != NO_TIME)
    filled = np.interp(np.arange(len(times)), known, times[known].astype(np.float64))
    return np.where(times == NO_TIME, np.rint(filled), times).astype(np.int64)


def _unwrap(
    pts: np.ndarray,
    dts: np.ndarray,
    durations: np.ndarray,
    time_base: Fraction,
    has_clock_jumps: bool,
) -> tuple[np.ndarray, bool]:
    """Return presentation times in which each segment follows the one before, and if any did."""
    is_decoding_time = bool((dts != NO_TIME).mean() > 0.5)
    clock = _fill_times(dts) if is_decoding_time else pts
    peak = np.maximum.accumulate(clock)
    tolerance = 0 if is_decoding_time else int(MAX_REORDERING_S / time_base)
    jumps = clock[1:] < peak[:-1] - tolerance
    if is_decoding_time:
        jumps = np.diff(clock) < 0
    if has_clock_jumps:
        jumps |= np.diff(clock) > int(MAX_GAP_S / time_base)
    starts = [0, *(np.flatnonzero(jumps) + 1), len(pts)]
    typical = int(np.median(np.diff(np.unique(pts)))) if len(np.unique(pts)) > 1 else 1
    times, end = pts.copy(), None
    for start, stop in pairwise(starts):
        part = slice(start, stop)
        if end is not None:
            times[part] += end - pts[part].min()
        last = start + int(np.argmax(pts[part]))
        if stop < len(pts):
            times[last] -= _excess_of_last(times[part], typical)
        end = int(times[last]) + (int(durations[last]) or typical)
    return times, len(starts) > 2


def _excess_of_last(times: np.ndarray, typical: int) -> int:
    """Return the time by which the last frame before a jump is late: one frame's, or 0.

    Where an MPEG file leaves a time out, FFmpeg works it out from the packet after it: at the end
    of a recording from one of the next recording.
    """
    ordered = np.sort(times)[-2:]
    return typical if len(ordered) == 2 and np.diff(ordered)[0] == 2 * typical else 0
