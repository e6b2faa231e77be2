"""Joining encoded segments into one video stream, without encoding them again."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import av.error

from dreamflow.core.errors import MediaError, OutputError
from dreamflow.media.files.film_file import open_film


def join_segments(segments: Sequence[Path], target: Path) -> list[Fraction]:
    """Write the packets of all segments into one file, each frame at its exact time.

    Returns:
        Seconds at which each frame is shown, rising.

    Raises:
        OutputError: A segment cannot be read, or the file cannot be written.
    """
    unit = Fraction(1)
    try:
        display_times = _display_times_in_decode_order(segments)
        times = zip(display_times, _decode_times(display_times), strict=True)
        with av.open(str(target.absolute()), "w") as output:
            stream = None
            for segment in segments:
                with open_film(segment) as container:
                    video = container.streams.video[0]
                    if stream is None:
                        stream = output.add_stream_from_template(video, opaque=True)
                        stream.time_base = video.time_base
                        unit = Fraction(video.time_base or 1)
                    for packet in container.demux(video):
                        if packet.size:
                            packet.pts, packet.dts = next(times)
                            packet.stream = stream
                            output.mux(packet)
    except (av.error.FFmpegError, MediaError, OSError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise OutputError(
            f"joining the segments in {target.parent} failed: {why}", where=str(target.parent)
        ) from error
    return [time * unit for time in sorted(display_times)]


def _display_times_in_decode_order(segments: Sequence[Path]) -> list[int]:
    """Return when each frame is shown, in time base units; a segment's comment has its start."""
    times: list[int] = []
    for segment in segments:
        with open_film(segment) as container:
            video = container.streams.video[0]
            start = round(Fraction(container.metadata["comment"]) / (video.time_base or 1))
            times += [start + (p.pts or 0) for p in container.demux(video) if p.size]
    return times


def _decode_times(display_times: list[int]) -> list[int]:
    """Return when each frame is decoded: with the least delay at which none comes too late."""
    ordered = sorted(display_times)
    position = {time: number for number, time in enumerate(ordered)}
    delay = max(number - position[time] for number, time in enumerate(display_times))
    step = ordered[1] - ordered[0] if len(ordered) > 1 else 1
    before = [ordered[0] - step * (delay - n) for n in range(delay)]
    return (before + ordered)[: len(ordered)]
