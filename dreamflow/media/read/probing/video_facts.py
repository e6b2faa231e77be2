"""The facts of a video file: size, rate, colours, tracks and chapters, before it is decoded.

Only the first frames are decoded, and all packets are read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.container
import av.error
import av.logging
import numpy as np
from av.format import Flags

from dreamflow.core.errors import MediaError
from dreamflow.media.colour.carried_tags import read_colour_tags
from dreamflow.media.colour.colour_tags import detect_colour_conversion
from dreamflow.media.colour.rgb_conversion import ColourConversion
from dreamflow.media.files.container_policy import PLAYLIST_FORMAT
from dreamflow.media.files.film_file import open_film
from dreamflow.media.output_spec import Chapter
from dreamflow.media.read.frame_rate import FALLBACK_FPS, detect_frame_rate, find_length
from dreamflow.media.read.probing.beginning import Beginning, decode_beginning
from dreamflow.media.read.probing.cut_short import is_cut_short
from dreamflow.media.read.probing.frame_order import FrameOrder, order_frames
from dreamflow.media.read.probing.notes import (
    Damage,
    alpha_doubts,
    conversion_notes,
    damage_notes,
    left_out_notes,
    tag_doubts,
)
from dreamflow.media.read.probing.packet_scan import Packets, scan_packets
from dreamflow.media.read.video.container import find_track, find_video_track
from dreamflow.media.read.video.orientation import parse_display_matrix
from dreamflow.media.read.video.video_info import PacketTable, VideoInfo

av.logging.set_level(None)

DOLBY_VISION_TAGS = frozenset({"dvh1", "dvhe", "dav1"})
"""Codec tags of Dolby Vision whose pictures may not be seen without it."""
NEVER_REPEATING = frozenset({"vp8", "vp9", "av1", "libdav1d", "libvpx", "libvpx-vp9"})
"""Decoders without reordering whose packets without a frame are damaged ones."""
H273_UNSPECIFIED = 2
"""Code for "unspecified" of matrices in ITU-T H.273."""


@dataclass(frozen=True)
class WantedTracks:
    """Tracks of a file, each by its number from 0 or its language; None for the main one, or all.

    Attributes:
        video: The video track.
        audio: The sound track.
    """

    video: str | None = None
    audio: str | None = None


def read_video_facts(path: Path, wanted: WantedTracks, film_format: str | None = None) -> VideoInfo:
    """Return the facts of a video file.

    FFmpeg's libraries may crash on it: `probe_video` runs this in a process of its own.

    Args:
        path: The file.
        wanted: The tracks that are asked for.
        film_format: FFmpeg's name of its format; None finds it out.

    Raises:
        MediaError: The file is not a video, has no picture, or nothing in it decodes.
        SettingsError: It has no such track.
    """
    try:
        with open_film(path, film_format) as container:
            return _read_container(path, container, wanted, film_format)
    except (av.error.FFmpegError, MemoryError, ValueError, OverflowError, OSError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise MediaError(f"{path} cannot be read as a film: {why}", where=str(path)) from error


def _read_container(
    path: Path,
    container: av.container.InputContainer,
    wanted: WantedTracks,
    film_format: str | None,
) -> VideoInfo:
    stream = find_video_track(path, container, wanted.video)
    packets = scan_packets(container, stream)
    if not packets.is_shown.any():
        raise MediaError(f"{path} holds no frame that decodes", where=str(path))
    time_base = stream.time_base or Fraction(1, 1000)
    has_clock_jumps = bool(container.format.flags & Flags.ts_discont.value)
    order = order_frames(packets, time_base, has_clock_jumps)
    table = _make_packet_table(container, stream, packets, order)
    begin = decode_beginning(path, film_format, stream.index, table)
    if begin is None:
        raise MediaError(f"{path} holds no frame that decodes", where=str(path))
    left_out = max(0, begin.number)
    if left_out:
        order = order.without_first(left_out)
        table = replace(table, frame_numbers=order.frame_of_packet)
    damage = _find_damage(path, container, stream, packets, order)
    info = _collect_facts(path, container, stream, begin, order, table, damage)
    if wanted.audio is None:
        return info
    sound = find_track(path, list(container.streams.audio), "audio_track", wanted.audio)
    return replace(info, sound_codecs=(info.sound_codecs[sound],), sound_track=sound)


def _find_damage(
    path: Path,
    container: av.container.InputContainer,
    stream: av.VideoStream,
    packets: Packets,
    order: FrameOrder,
) -> Damage:
    """Return what is missing at the end of a film."""
    # Where the clock jumps, the last time says nothing of the length.
    missing_s = 0.0 if order.has_jumps else packets.missing_s
    is_cut = is_cut_short(path, container.format.name)
    absent = stream.frames - len(order.timestamps)
    if is_cut and absent > 0 and stream.average_rate:
        missing_s = max(missing_s, float(absent / stream.average_rate))
    return Damage(missing_s, is_cut)


def _make_packet_table(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    packets: Packets,
    order: FrameOrder,
) -> PacketTable:
    """Return the packets for decoding, from the first that decoding can begin with."""
    keys = np.flatnonzero(packets.is_key)
    has_decoding_times = container.format.name == "avi" and stream.codec_context.has_b_frames
    is_counted = has_decoding_times or not order.is_stamped
    return PacketTable(
        order.frame_of_packet,
        packets.pts,
        packets.sizes,
        int(keys[0]) if len(keys) else 0,
        "counted" if is_counted else "stamps",
        _is_seekable(container, stream) and not is_counted and not order.has_jumps,
        not (stream.codec_context.codec.reorder or stream.codec_context.name in NEVER_REPEATING),
    )


def _is_seekable(container: av.container.InputContainer, stream: av.VideoStream) -> bool:
    """Return whether a seek leads to a key frame; FFmpeg's in a playlist lead to a piece."""
    return container.format.name != PLAYLIST_FORMAT and not _is_noted_once(stream)


def _is_noted_once(stream: av.VideoStream) -> bool:
    """Return whether decoding can begin with the first packet alone, whatever is marked as key.

    x264 before build 151 coded 4:4:4 in its own way, which only a note in the first packet tells.
    """
    decoder = stream.codec_context
    return decoder.name == "h264" and "444" in (decoder.pix_fmt or "")


def _collect_facts(
    path: Path,
    container: av.container.InputContainer,
    stream: av.VideoStream,
    begin: Beginning,
    order: FrameOrder,
    table: PacketTable,
    damage: Damage,
) -> VideoInfo:
    first = begin.frame
    colour = _detect_colours(path, stream, begin)
    tags = read_colour_tags(stream, first, begin.side_data, colour)
    orientation = parse_display_matrix(begin.side_data.display_matrix)
    width, height = stream.width or first.width, stream.height or first.height
    aspect = stream.sample_aspect_ratio or Fraction(1)
    if orientation[0] == 0:
        width, height, aspect = height, width, 1 / aspect
    time_base = stream.time_base or Fraction(1, 1000)
    rates = _declared_rates(stream)
    if not order.is_stamped:
        rates = [Fraction(stream.guessed_rate or stream.average_rate or FALLBACK_FPS)]
        time_base = 1 / rates[0]
    rate, constant = detect_frame_rate(order.timestamps, time_base, rates, order.last_duration)
    container_start = Fraction(container.start_time or 0, av.time_base)
    start = max(Fraction(0), order.first_timestamp * time_base - container_start)
    return VideoInfo(
        path=path,
        width=width,
        height=height,
        pixel_aspect=aspect,
        rate=rate,
        constant_rate=constant,
        time_base=time_base,
        timestamps=order.timestamps,
        first_timestamp=order.first_timestamp,
        length=find_length(order.timestamps, time_base, rate, constant, order.last_duration),
        frames=len(order.timestamps),
        start_offset=start,
        orientation=orientation,
        colour=colour,
        is_interlaced=begin.is_interlaced,
        codec=stream.codec_context.name,
        pixel_format=first.format.name,
        sound_codecs=tuple(_codec_name(audio) for audio in container.streams.audio),
        subtitle_codecs=tuple(_codec_name(track) for track in container.streams.subtitles),
        chapters=_read_chapters(container, container_start + start),
        notes=tuple(damage_notes(path, begin.number, len(order.timestamps), rate, damage)),
        losses=tuple(conversion_notes(path, colour, begin)),
        left_out=tuple(left_out_notes(path, begin.side_data)),
        doubts=(
            *tag_doubts(path, colour, tags, begin.side_data),
            *alpha_doubts(path, colour, begin),
        ),
        tags=tags,
        packets=table,
        track=stream.index,
    )


def _detect_colours(path: Path, stream: av.VideoStream, begin: Beginning) -> ColourConversion:
    tag = stream.codec_context.codec_tag
    is_untagged = int(begin.frame.colorspace) == H273_UNSPECIFIED
    try:
        if tag in DOLBY_VISION_TAGS and is_untagged:
            raise ValueError("its colours are Dolby Vision's (IPT-PQ-C2)")
        colour = detect_colour_conversion(stream, begin.frame, begin.side_data)
    except ValueError as error:
        raise MediaError(
            f"{path} cannot be read as a film: {error}, which are not converted; convert it to "
            "BT.709 or HDR10 first",
            where=str(path),
        ) from error
    colour.to_rgb(begin.frame)  # fails here rather than in the middle of a render
    return colour


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


def _declared_rates(stream: av.VideoStream) -> list[Fraction]:
    rates = (stream.average_rate, stream.guessed_rate, stream.base_rate)
    return [Fraction(rate) for rate in rates if rate]
