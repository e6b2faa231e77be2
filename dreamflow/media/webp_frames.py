"""Where the frames of an animated WebP lie in its file, and how long each is shown."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

RIFF_HEADER_BYTES, CHUNK_HEADER_BYTES = 12, 8
ANMF_HEADER_BYTES = 24
"""Bytes of an ANMF chunk before its frame."""
ANMF_DURATION_BYTES = slice(20, 23)
"""Place of a frame's duration in an ANMF chunk, header included (RFC 9649, 2.7.1.1)."""
DEFAULT_DURATION_MS = 100
"""Milliseconds that browsers show a frame of duration 0."""


@dataclass(frozen=True)
class WebpFrame:
    """A frame of an animated WebP.

    Attributes:
        position: Byte of the file at which its ANMF chunk begins.
        duration_ms: Milliseconds that it is shown.
    """

    position: int
    duration_ms: int


def find_webp_frames(path: Path) -> list[WebpFrame]:
    """Return the frames of a WebP file in order (RFC 9649, 2.7); none of a still picture's.

    Raises:
        OSError: The file cannot be read.
    """
    frames: list[WebpFrame] = []
    position = RIFF_HEADER_BYTES
    with path.open("rb") as file:
        file.seek(position)
        while len(chunk := file.read(ANMF_HEADER_BYTES)) == ANMF_HEADER_BYTES:
            if chunk[:4] == b"ANMF":
                duration_ms = int.from_bytes(chunk[ANMF_DURATION_BYTES], "little")
                frames.append(WebpFrame(position, duration_ms or DEFAULT_DURATION_MS))
            size = int.from_bytes(chunk[4:8], "little")
            position += CHUNK_HEADER_BYTES + size + size % 2
            file.seek(position)
    return frames
