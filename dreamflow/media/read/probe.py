"""What a film is, found out before a frame of it is dreamed: by PyAV, without OpenCV."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.container
import av.error
import av.logging
import numpy as np

from dreamflow.core.errors import MediaError
from dreamflow.media.colour.matrices import (
    ColourConversion,
    detect_colour_conversion,
    has_high_bit_depth,
)
from dreamflow.media.output_spec import Chapter

av.logging.set_level(None)

TIMING_TOLERANCE_S = 1 / 400
"""By which time stamps may stray from an even rate: Matroska rounds them to 1 ms."""
STANDARD_FRAME_RATES = tuple(
    rate
    for whole in (24, 25, 30, 48, 50, 60, 120)
    for rate in (Fraction(whole), Fraction(whole * 1000, 1001))
)
RATE_ROUNDING_TOLERANCE = 5e-6
"""Relative difference up to which a rate is a standard one written short: 29.97 is 30000/1001."""
MAX_EMPTY_PACKET_BYTES = 1


@dataclass(frozen=True)
class VideoInfo:
    """Facts of a film file.

    width, height: in pixels as displayed, after rotation. pixel_aspect: width of a pixel over its
    height, as displayed. rate: frames per second (the mean, where it varies). time_base and
    stamps: presentation time of each frame, sorted, int64, in units of time_base from the first.
    frames: how many there should be. start: seconds from the container's start to the first frame.
    orientation: (a, b, c, d) of the display matrix, ones, zeros and minus ones. colour: how its
    colours are decoded. interlaced: whether its frames are made of two half pictures. sound,
    subtitles: codecs of the tracks. chapters: from the first frame on. notes: what is silently
    lossy.
    """

    path: Path
    width: int
    height: int
    pixel_aspect: Fraction
    rate: Fraction
    constant_rate: bool
    time_base: Fraction
    timestamps: np.ndarray
    first_timestamp: int
    length: Fraction
    frames: int
    start_offset: Fraction
    orientation: tuple[int, int, int, int]
    colour: ColourConversion
    is_interlaced: bool
    codec: str
    pixel_format: str
    sound_codecs: tuple[str, ...]
    subtitle_codecs: tuple[str, ...]
    chapters: tuple[Chapter, ...]
    notes: tuple[str, ...]

    def frame_time(self, index: int) -> Fraction:
        """Return the seconds from the first frame to frame `index`, past the end as well."""
        if index < len(self.timestamps):
            return int(self.timestamps[index]) * self.time_base
        return self.length + (index - len(self.timestamps)) / self.rate


def probe_video(path: Path) -> VideoInfo:
    """Return the facts of a film. Raises MediaError where it is none, or has no picture."""
    try:
        with av.open(str(path.absolute())) as container:
            return _probe_container(path, container)
    except (av.error.FFmpegError, MemoryError, ValueError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise MediaError(f"{path} cannot be read as a film: {why}") from error


def _probe_container(path: Path, container: av.container.InputContainer) -> VideoInfo:
    stream = container.streams.best("video")
    if stream is None:
        kind = "only sound" if container.streams.audio else "no video"
        raise MediaError(f"{path} holds {kind}: there is nothing to dream on")
    assert isinstance(stream, av.VideoStream)
    decoder: av.VideoCodecContext | None = stream.codec_context  # PyAV's stubs do not know of None
    if decoder is None:
        raise MediaError(f"{path} is damaged, or in a codec that FFmpeg does not know")
    scan = _scan_packets(container, stream)
    first = _decode_first_frame(path, stream)
    if first is None or not len(scan.timestamps):
        raise MediaError(f"{path} holds no frame that decodes")
    orientation, colour = _read_orientation(first), detect_colour_conversion(stream, first)
    width, height = stream.width or first.width, stream.height or first.height
    aspect = stream.sample_aspect_ratio or Fraction(1)
    if orientation[0] == 0:
        width, height, aspect = height, width, 1 / aspect
    time_base = stream.time_base or Fraction(1, 1000)
    stamps = scan.timestamps - scan.timestamps[0]
    rate, constant = detect_frame_rate(
        stamps, time_base, _declared_rates(stream), scan.last_duration
    )
    length = int(stamps[-1]) * time_base + (scan.last_duration * time_base or 1 / rate)
    if constant:
        length = len(stamps) / rate
    container_start = Fraction(container.start_time or 0, 1_000_000)
    missing = max(0, round(scan.missing_s * rate)) if scan.missing_s > 0.5 else 0
    start = max(Fraction(0), int(scan.timestamps[0]) * time_base - container_start)
    return VideoInfo(
        path=path,
        width=width,
        height=height,
        pixel_aspect=aspect,
        rate=rate,
        constant_rate=constant,
        time_base=time_base,
        timestamps=stamps,
        first_timestamp=int(scan.timestamps[0]),
        length=length,
        frames=max(len(stamps) + missing, _declared_frame_count(stream, scan)),
        start_offset=start,
        orientation=orientation,
        colour=colour,
        is_interlaced=first.interlaced_frame,
        codec=stream.codec_context.name,
        pixel_format=first.format.name,
        sound_codecs=tuple(_codec_name(audio) for audio in container.streams.audio),
        subtitle_codecs=tuple(_codec_name(track) for track in container.streams.subtitles),
        chapters=_read_chapters(container, container_start + start),
        notes=_conversion_notes(path, colour, first),
    )


def _codec_name(track: Any) -> str:
    """Return the name of a track's codec, "unknown" where FFmpeg knows none."""
    decoder = track.codec_context
    return "unknown" if decoder is None else str(decoder.name)


def _read_chapters(
    container: av.container.InputContainer, first_frame_time: Fraction
) -> tuple[Chapter, ...]:
    """Return the chapters. first: when the first frame is shown, in the container's time."""
    found: list[Chapter] = []
    for chapter in container.chapters():
        base = chapter["time_base"] or Fraction(1)
        begin, end = (time * base - first_frame_time for time in (chapter["start"], chapter["end"]))
        title = chapter["metadata"].get("title", "")
        if begin < end:
            found.append(Chapter(max(Fraction(0), begin), end, title))
    return tuple(found)


@dataclass
class _PacketScan:
    timestamps: np.ndarray
    last_duration: int
    discarded_packets: int
    missing_s: float


def _scan_packets(container: av.container.InputContainer, stream: av.VideoStream) -> _PacketScan:
    """Read every packet's time stamp, decoding nothing: exact counts, whatever headers claim."""
    stamps: dict[int, int] = {}
    discarded, end_s = 0, 0.0
    try:
        for packet in container.demux():
            if packet.size == 0 or packet.pts is None or packet.time_base is None:
                continue
            duration = packet.duration or 0
            end_s = max(end_s, float((packet.pts + duration) * packet.time_base))
            if packet.stream.index != stream.index:
                continue
            if packet.is_discard or _is_empty_packet(stream, packet):
                discarded += 1
            else:
                stamps[packet.pts] = duration
    except av.error.FFmpegError:
        pass  # cut short: what was found counts, and the missing rest is reported after decoding
    declared_s = (container.duration or 0) / 1e6
    ordered = np.array(sorted(stamps), np.int64)
    last = stamps[int(ordered[-1])] if len(ordered) else 0
    return _PacketScan(_drop_hidden_frames(stream, ordered), last, discarded, declared_s - end_s)


def _is_empty_packet(stream: av.VideoStream, packet: av.Packet) -> bool:
    """Return whether a packet only says "the frame before goes on", as AVI's MPEG-4 does."""
    return stream.codec_context.name == "mpeg4" and packet.size <= MAX_EMPTY_PACKET_BYTES


def _drop_hidden_frames(stream: av.VideoStream, timestamps: np.ndarray) -> np.ndarray:
    """Return the time stamps without those of VP9's hidden frames, a moment before the shown."""
    if not stream.codec_context.name.startswith(("vp8", "vp9", "libvpx")) or len(timestamps) < 3:
        return timestamps
    steps = np.diff(timestamps)
    keep = np.append(steps >= np.median(steps) / 4, True)
    return timestamps[keep]


def _decode_first_frame(path: Path, stream: av.VideoStream) -> av.VideoFrame | None:
    with av.open(str(path.absolute())) as container:
        try:
            return next(
                container.decode(container.streams.video[_video_stream_index(stream)]), None
            )
        except av.error.FFmpegError:
            return None


def _video_stream_index(stream: av.VideoStream) -> int:
    videos = stream.container.streams.video
    return [video.index for video in videos].index(stream.index)


def _declared_rates(stream: av.VideoStream) -> list[Fraction]:
    rates = (stream.average_rate, stream.guessed_rate, stream.base_rate)
    return [Fraction(rate) for rate in rates if rate]


def _declared_frame_count(stream: av.VideoStream, scan: _PacketScan) -> int:
    """Return the header's frame count, less what is not to be shown, where it can be believed."""
    found, declared = len(scan.timestamps), (stream.frames or 0) - scan.discarded_packets
    return declared if found < declared < 1000 * found else found


def detect_frame_rate(
    timestamps: np.ndarray,
    time_base: Fraction,
    declared_rates: list[Fraction],
    last_duration: int = 0,
) -> tuple[Fraction, bool]:
    """Return frames per second, exact, and whether they come evenly.

    stamps: sorted int64 in units of time_base, from 0. The declared rates are tried first, and
    the first whose even grid fits all time stamps is taken; else the mean over the whole length.
    """
    if len(timestamps) == 1:
        likely = [rate for rate in declared_rates if 1 <= rate <= 240]
        return (likely[0] if likely else Fraction(25)), True
    seconds = timestamps.astype(np.float64) * float(time_base)
    steps = np.diff(seconds)
    measured = Fraction(len(timestamps) - 1, int(timestamps[-1])) / time_base
    # Of two standard rates that fit alike, the whole one: 25 before 25000/1001.
    nearest = sorted(STANDARD_FRAME_RATES, key=lambda rate: round(float(abs(rate - measured)), 1))[
        :2
    ]
    for rate in [
        *map(snap_to_standard_rate, declared_rates),
        *nearest,
        measured.limit_denominator(1001),
    ]:
        drift = seconds - np.arange(len(timestamps)) / float(rate)
        if float(drift.max() - drift.min()) <= 2 * TIMING_TOLERANCE_S:
            return rate, True
    last = float(last_duration * time_base) or float(np.median(steps))
    return Fraction(len(timestamps) / (seconds[-1] + last)).limit_denominator(100_000), False


def snap_to_standard_rate(rate: Fraction) -> Fraction:
    """Return the standard rate that a rounded one, such as 29.97, stands for; else itself."""
    for standard in STANDARD_FRAME_RATES:
        if abs(rate / standard - 1) < RATE_ROUNDING_TOLERANCE:
            return standard
    return rate


def _read_orientation(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """Return the rotation and mirroring of the display matrix as (a, b, c, d), each -1, 0 or 1.

    A pixel (x, y) is displayed at (a x + c y, b x + d y), y down (ISO/IEC 14496-12, 6.2.2).
    """
    kept: Any = frame.side_data  # PyAV's stubs take it for a plain mapping
    for side_data in kept:
        if side_data.type.name == "DISPLAYMATRIX":
            cells = np.frombuffer(bytes(side_data)[:36], np.int32)
            a, b, c, d = (round(int(cells[i]) / 65536) for i in (0, 1, 3, 4))
            if (abs(a), abs(b), abs(c), abs(d)) in {(1, 0, 0, 1), (0, 1, 1, 0)}:
                return a, b, c, d
    return 1, 0, 0, 1


def _conversion_notes(
    path: Path, colour: ColourConversion, frame: av.VideoFrame
) -> tuple[str, ...]:
    notes: list[str] = []
    if colour.hdr_transfer and colour.hdr_transfer.is_hdr:
        notes.append(
            f"{path.name} is HDR ({colour.hdr_transfer.transfer}): it is tone-mapped to SDR"
        )
    elif colour.hdr_transfer:
        notes.append(f"{path.name} has a wide gamut: it is brought to that of BT.709")
    elif has_high_bit_depth(frame):
        notes.append(f"{path.name} has more than 8 bits a channel: it is dreamed in 8")
    if frame.interlaced_frame:
        notes.append(f"{path.name} is interlaced: it is deinterlaced, at the same frame rate")
    if colour.has_alpha:
        notes.append(transparency_note(path))
    return tuple(notes)


def transparency_note(path: Path) -> str:
    """Return what is said of a film with transparency."""
    return f"{path.name} has transparency: it is laid over black"
