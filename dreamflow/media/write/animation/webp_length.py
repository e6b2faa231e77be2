"""The length of an animated WebP: the last frame's duration, set in the finished file.

libwebp's encoder gives the last frame the mean duration of those before, whatever it is told.
"""

from __future__ import annotations

from pathlib import Path

from dreamflow.media.webp_frames import ANMF_DURATION_BYTES, find_webp_frames


def set_webp_length(path: Path, length_ms: int) -> None:
    """Hold the last frame of an animated WebP until the file has this length.

    A file of one frame is a still picture, which has no length.

    Args:
        path: The WebP.
        length_ms: Milliseconds from the first frame to the end of the last, more than the frames
            before the last take.
    """
    frames = find_webp_frames(path)
    if not frames:
        return
    held_ms = length_ms - sum(frame.duration_ms for frame in frames[:-1])
    size = ANMF_DURATION_BYTES.stop - ANMF_DURATION_BYTES.start
    held = min(max(1, held_ms), 256**size - 1)
    with path.open("r+b") as file:
        file.seek(frames[-1].position + ANMF_DURATION_BYTES.start)
        file.write(held.to_bytes(size, "little"))
