"""Animated WebP as a video: FFmpeg's libraries do not decode it, Pillow does."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from dreamflow.core.errors import MediaError
from dreamflow.media.colour.rgb_conversion import ColourConversion
from dreamflow.media.pillow import PILLOW_READ_ERRORS, is_animated, open_image
from dreamflow.media.read.frame_rate import detect_frame_rate
from dreamflow.media.read.video.orientation import UPRIGHT
from dreamflow.media.read.video.video_info import IndexedPictures, VideoInfo, transparency_note

WEBP_CODEC = "webp"
WEBP_SUFFIX = ".webp"
WEBP_TIME_BASE = Fraction(1, 1000)
"""Seconds of a unit of a WebP's durations."""
DEFAULT_FRAME_DURATION_MS = 100
"""Milliseconds that browsers show a frame of duration 0."""
RIFF_HEADER_BYTES, CHUNK_HEADER_BYTES = 12, 8
ANMF_DURATION_BYTES = slice(20, 23)
"""Place of a frame's duration in an ANMF chunk, header included (RFC 9649, 2.7.1.1)."""


def probe_webp(path: Path) -> VideoInfo | None:
    """Return the facts of an animated WebP, or None for a single picture or another format.

    Raises:
        MediaError: The file is damaged.
    """
    if path.suffix.lower() != WEBP_SUFFIX:
        return None
    try:
        with open_image(path) as image:
            if not is_animated(image):
                return None
            size, first = image.size, np.asarray(image.convert("RGBA"))
        durations = read_frame_durations(path.read_bytes())
    except PILLOW_READ_ERRORS as error:
        raise MediaError(f"{path} is damaged or cut short", where=str(path)) from error
    if not durations:
        raise MediaError(f"{path} holds no frame that decodes", where=str(path))
    timestamps = np.cumsum([0, *durations[:-1]], dtype=np.int64)
    rate, constant = detect_frame_rate(timestamps, WEBP_TIME_BASE, [], durations[-1])
    length = len(timestamps) / rate if constant else sum(durations) * WEBP_TIME_BASE
    has_alpha = bool(first[..., 3].min() < 255)
    return VideoInfo(
        path=path,
        width=size[0],
        height=size[1],
        pixel_aspect=Fraction(1),
        rate=rate,
        constant_rate=constant,
        time_base=WEBP_TIME_BASE,
        timestamps=timestamps,
        first_timestamp=0,
        length=length,
        frames=len(timestamps),
        start_offset=Fraction(0),
        orientation=UPRIGHT,
        colour=ColourConversion(None, has_alpha=has_alpha),
        is_interlaced=False,
        codec=WEBP_CODEC,
        pixel_format="rgba",
        sound_codecs=(),
        subtitle_codecs=(),
        chapters=(),
        notes=(transparency_note(path),) if has_alpha else (),
    )


def read_frame_durations(data: bytes) -> list[int]:
    """Return the milliseconds that each frame of a WebP file is shown (RFC 9649, 2.7)."""
    durations: list[int] = []
    position = RIFF_HEADER_BYTES
    while position + 24 <= len(data):
        chunk = data[position : position + 24]
        size = int.from_bytes(chunk[4:8], "little")
        if chunk[:4] == b"ANMF":
            duration = int.from_bytes(chunk[ANMF_DURATION_BYTES], "little")
            durations.append(duration or DEFAULT_FRAME_DURATION_MS)
        position += CHUNK_HEADER_BYTES + size + size % 2
    return durations


def read_webp(info: VideoInfo, first: int = 0) -> IndexedPictures:
    """Yield (index, picture) of an animated WebP from frame `first` on, (H, W, 3) uint8 RGB."""
    try:
        with open_image(info.path) as image:
            for index in range(first, info.frames):
                image.seek(index)
                yield index, info.colour.flatten_alpha(np.asarray(image.convert("RGBA")))
    except (EOFError, *PILLOW_READ_ERRORS):
        return
