"""Probing a video file: size, rate, colours, tracks and chapters, by PyAV, before decoding it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.container
import av.error
import av.logging

from dreamflow.core.errors import MediaError
from dreamflow.media.colour.colour_tags import detect_colour_conversion, has_high_bit_depth
from dreamflow.media.colour.rgb_conversion import ColourConversion
from dreamflow.media.output_spec import Chapter
from dreamflow.media.read.frame_rate import detect_frame_rate
from dreamflow.media.read.video.orientation import read_orientation
from dreamflow.media.read.video.packet_scan import declared_frame_count, scan_packets
from dreamflow.media.read.video.video_info import VideoInfo, transparency_note

av.logging.set_level(None)

CONTAINER_TIME_BASE = Fraction(1, 1_000_000)
"""Seconds of a unit of a container's own times (AV_TIME_BASE)."""
MIN_MISSING_S = 0.5
"""Seconds from which on a header's longer duration means that the file is cut short."""


def probe_video(path: Path) -> VideoInfo:
    """Return the facts of a video file.

    Raises:
        MediaError: The file is not a video, has no picture, or nothing in it decodes.
    """
    try:
        with av.open(str(path.absolute())) as container:
            return _probe_container(path, container)
    except (av.error.FFmpegError, MemoryError, ValueError, OverflowError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise MediaError(f"{path} cannot be read as a film: {why}", where=str(path)) from error


def _probe_container(path: Path, container: av.container.InputContainer) -> VideoInfo:
    stream = _find_video_stream(path, container)
    scan = scan_packets(container, stream)
    first = _decode_first_frame(path, stream)
    if first is None or not len(scan.timestamps):
        raise MediaError(f"{path} holds no frame that decodes", where=str(path))
    orientation, colour = read_orientation(first), detect_colour_conversion(stream, first)
    width, height = stream.width or first.width, stream.height or first.height
    aspect = stream.sample_aspect_ratio or Fraction(1)
    if orientation[0] == 0:
        width, height, aspect = height, width, 1 / aspect
    time_base = stream.time_base or Fraction(1, 1000)
    timestamps = scan.timestamps - scan.timestamps[0]
    rate, constant = detect_frame_rate(
        timestamps, time_base, _declared_rates(stream), scan.last_duration
    )
    length = int(timestamps[-1]) * time_base + (scan.last_duration * time_base or 1 / rate)
    if constant:
        length = len(timestamps) / rate
    container_start = (container.start_time or 0) * CONTAINER_TIME_BASE
    missing = max(0, round(scan.missing_s * rate)) if scan.missing_s > MIN_MISSING_S else 0
    start = max(Fraction(0), int(scan.timestamps[0]) * time_base - container_start)
    return VideoInfo(
        path=path,
        width=width,
        height=height,
        pixel_aspect=aspect,
        rate=rate,
        constant_rate=constant,
        time_base=time_base,
        timestamps=timestamps,
        first_timestamp=int(scan.timestamps[0]),
        length=length,
        frames=max(len(timestamps) + missing, declared_frame_count(stream, scan)),
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


def _find_video_stream(path: Path, container: av.container.InputContainer) -> av.VideoStream:
    stream = container.streams.best("video")
    if stream is None:
        content = "only sound" if container.streams.audio else "no video"
        raise MediaError(f"{path} holds {content}: there is nothing to dream on", where=str(path))
    assert isinstance(stream, av.VideoStream)
    decoder: Any = stream.codec_context  # PyAV's stubs leave out that it may be None
    if decoder is None:
        raise MediaError(
            f"{path} is damaged, or in a codec that FFmpeg does not know", where=str(path)
        )
    return stream


def _codec_name(track: Any) -> str:
    """Return the name of a track's codec, "unknown" where FFmpeg knows none."""
    decoder = track.codec_context
    return "unknown" if decoder is None else str(decoder.name)


def _read_chapters(
    container: av.container.InputContainer, first_frame_time: Fraction
) -> tuple[Chapter, ...]:
    """Return the chapters in time from the first frame, which has this time in the container."""
    chapters: list[Chapter] = []
    for chapter in container.chapters():
        base = chapter["time_base"] or Fraction(1)
        begin, end = (time * base - first_frame_time for time in (chapter["start"], chapter["end"]))
        title = chapter["metadata"].get("title", "")
        if begin < end:
            chapters.append(Chapter(max(Fraction(0), begin), end, title))
    return tuple(chapters)


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


def _conversion_notes(
    path: Path, colour: ColourConversion, frame: av.VideoFrame
) -> tuple[str, ...]:
    """Return warnings of what the conversion to 8-bit RGB of BT.709 loses."""
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
