"""The length of an animated WebP: the last frame's duration, set in the finished file.

libwebp's encoder gives the last frame the mean duration of those before, whatever it is told.
"""

from __future__ import annotations

from pathlib import Path

from dreamflow.media.read.video.animated_webp import (
    ANMF_DURATION_BYTES,
    find_frame_chunks,
    read_frame_durations,
)


def set_webp_length(path: Path, length_ms: int) -> None:
    """Hold the last frame of an animated WebP until the file has this length.

    A file of one frame is a still picture, which has no length.

    Args:
        path: The WebP.
        length_ms: Milliseconds from the first frame to the end of the last, more than the frames
            before the last take.
    """
    content = bytearray(path.read_bytes())
    chunks = find_frame_chunks(bytes(content))
    if not chunks:
        return
    held_ms = length_ms - sum(read_frame_durations(bytes(content))[:-1])
    size = ANMF_DURATION_BYTES.stop - ANMF_DURATION_BYTES.start
    begin = chunks[-1] + ANMF_DURATION_BYTES.start
    held = min(max(1, held_ms), 256**size - 1)
    content[begin : begin + size] = held.to_bytes(size, "little")
    path.write_bytes(content)
