"""Animated WebP as a film: FFmpeg's libraries do not decode it, Pillow does."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from dreamflow.core.errors import MediaError
from dreamflow.media.colour.matrices import ColourConversion
from dreamflow.media.read.probe import VideoInfo, detect_frame_rate, transparency_note
from dreamflow.media.stills import PILLOW_READ_ERRORS, is_animated, open_image

WEBP_CODEC = "webp"
WEBP_SUFFIX = ".webp"
WEBP_TIME_BASE = Fraction(1, 1000)
DEFAULT_FRAME_DURATION_MS = 100
"""How long browsers show a frame that says nothing."""


def probe_webp(path: Path) -> VideoInfo | None:
    """Return the facts of an animated WebP; None of a single picture, and of what is no WebP.

    Raises MediaError where it is damaged.
    """
    if path.suffix.lower() != WEBP_SUFFIX:
        return None
    try:
        with open_image(path) as image:
            if not is_animated(image):
                return None
            size, first = image.size, np.asarray(image.convert("RGBA"))
        lasting = read_frame_durations(path.read_bytes())
    except PILLOW_READ_ERRORS as error:
        raise MediaError(f"{path} is damaged or cut short") from error
    if not lasting:
        raise MediaError(f"{path} holds no frame that decodes")
    stamps = np.cumsum([0, *lasting[:-1]], dtype=np.int64)
    rate, constant = detect_frame_rate(stamps, WEBP_TIME_BASE, [], lasting[-1])
    clear = bool(first[..., 3].min() < 255)
    return VideoInfo(
        path=path,
        width=size[0],
        height=size[1],
        pixel_aspect=Fraction(1),
        rate=rate,
        constant_rate=constant,
        time_base=WEBP_TIME_BASE,
        timestamps=stamps,
        first_timestamp=0,
        length=len(stamps) / rate if constant else int(stamps[-1] + lasting[-1]) * WEBP_TIME_BASE,
        frames=len(stamps),
        start_offset=Fraction(0),
        orientation=(1, 0, 0, 1),
        colour=ColourConversion(None, has_alpha=clear),
        is_interlaced=False,
        codec=WEBP_CODEC,
        pixel_format="rgba",
        sound_codecs=(),
        subtitle_codecs=(),
        chapters=(),
        notes=(transparency_note(path),) if clear else (),
    )


def read_frame_durations(data: bytes) -> list[int]:
    """Return how long each frame of a WebP is shown, in ms, of the chunks ANMF (RFC 9649, 2.7)."""
    found: list[int] = []
    at = 12
    while at + 24 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"ANMF":
            found.append(
                int.from_bytes(data[at + 20 : at + 23], "little") or DEFAULT_FRAME_DURATION_MS
            )
        at += 8 + size + size % 2
    return found


def read_webp(info: VideoInfo, first: int = 0) -> Iterator[tuple[int, np.ndarray]]:
    """Yield (index, picture) of an animated WebP, as the readers of films do."""
    try:
        with open_image(info.path) as image:
            for index in range(first, info.frames):
                image.seek(index)
                yield index, info.colour.flatten_alpha(np.asarray(image.convert("RGBA")))
    except (EOFError, *PILLOW_READ_ERRORS):
        return
