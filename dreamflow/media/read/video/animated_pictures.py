"""Animated PNG and WebP, and AVIF with transparency, as videos: Pillow decodes them.

FFmpeg's libraries do not decode animated WebP, take an AVIF's transparency for a track of its own,
and hold PNG's colour profiles where PyAV cannot look at them.
"""

from __future__ import annotations

import math
import struct
from fractions import Fraction
from pathlib import Path

import av.error
import numpy as np
from PIL import Image

from dreamflow.core.errors import MediaError
from dreamflow.media.colour.rgb_conversion import ColourConversion
from dreamflow.media.files.film_file import open_film
from dreamflow.media.files.pillow import (
    PILLOW_READ_ERRORS,
    is_animated,
    open_image,
    pillow_unlimited,
)
from dreamflow.media.read.frame_rate import detect_frame_rate, find_length
from dreamflow.media.read.video.orientation import UPRIGHT
from dreamflow.media.read.video.video_info import IndexedPictures, VideoInfo, transparency_note
from dreamflow.media.stills.decoders.pillow_decoder import decode_image
from dreamflow.media.stills.decoders.png import read_png_chunks
from dreamflow.media.stills.formats import AVIF, PNG, WEBP, read_file_kind
from dreamflow.media.webp_frames import find_webp_frames

CODEC_BY_KIND = {PNG: "apng", WEBP: "webp", AVIF: "avif-alpha"}
"""What VideoInfo.codec is for a file that is decoded here."""
DEFAULT_FRAME_DURATION = Fraction(1, 10)
"""Seconds that browsers show a frame of duration 0."""
MAX_TICKS_PER_SECOND = 10**6
"""Finest time base; durations that need a finer one are rounded."""
FCTL_BYTES = 26
FCTL_DELAY_BYTES = slice(20, 24)
"""Place of a frame's delay, two 16-bit numbers, in the data of an fcTL chunk (PNG, 11.3.6.2)."""
DEFAULT_DELAY_DENOMINATOR = 100
"""What a delay's denominator of 0 stands for (PNG, 11.3.6.2)."""


def probe_animated_picture(path: Path) -> VideoInfo | None:
    """Return the facts of an animated picture, or None for any other file.

    Raises:
        MediaError: The file is damaged.
    """
    try:
        kind = read_file_kind(path)
        if kind is None or kind not in CODEC_BY_KIND:
            return None
        with open_image(path) as image, pillow_unlimited():
            if not is_animated(image) or (kind is AVIF and image.mode != "RGBA"):
                return None
            size, first_frame = image.size, _first_frame(image)
            image.seek(first_frame)
            alpha = decode_image(image, None).alpha
        read_durations = {PNG: _read_png_durations, WEBP: _read_webp_durations}
        durations = read_durations.get(kind, _read_avif_durations)(path)
    except PILLOW_READ_ERRORS as error:
        raise MediaError(f"{path} is damaged or cut short", where=str(path)) from error
    if not durations:
        raise MediaError(f"{path} holds no frame that decodes", where=str(path))
    return _make_info(path, size, CODEC_BY_KIND[kind], durations, alpha is not None)


def read_animated_picture(info: VideoInfo, first: int = 0) -> IndexedPictures:
    """Yield (index, picture) of an animated picture from frame `first` on, uint8 (H, W, 3) RGB.

    Colours are converted to sRGB. It ends where a frame does not decode.
    """
    try:
        with open_image(info.path) as image:
            profile, offset = image.info.get("icc_profile"), _first_frame(image)
            for index in range(first, info.frames):
                with pillow_unlimited():
                    image.seek(index + offset)
                    picture = decode_image(image, profile)
                rgb = picture.to_rgb8()[0]
                if not info.colour.has_alpha:
                    yield index, rgb
                    continue
                opaque = np.full(rgb.shape[:2], 255, np.uint8)
                alpha = opaque if picture.alpha is None else picture.alpha
                yield index, info.colour.flatten_alpha(np.dstack([rgb, alpha]))
    except PILLOW_READ_ERRORS:
        return


def _make_info(
    path: Path, size: tuple[int, int], codec: str, durations: list[Fraction], has_alpha: bool
) -> VideoInfo:
    """Return the facts of an animation whose frames last for `durations`, in seconds."""
    ticks = math.lcm(*(duration.denominator for duration in durations))
    ticks = ticks if ticks <= MAX_TICKS_PER_SECOND else MAX_TICKS_PER_SECOND
    lengths = [round(duration * ticks) for duration in durations]
    timestamps = np.cumsum([0, *lengths[:-1]], dtype=np.int64)
    time_base = Fraction(1, ticks)
    rate, constant = detect_frame_rate(timestamps, time_base, [], lengths[-1])
    return VideoInfo(
        path=path,
        width=size[0],
        height=size[1],
        pixel_aspect=Fraction(1),
        rate=rate,
        constant_rate=constant,
        time_base=time_base,
        timestamps=timestamps,
        first_timestamp=0,
        length=find_length(timestamps, time_base, rate, constant, lengths[-1]),
        frames=len(timestamps),
        start_offset=Fraction(0),
        orientation=UPRIGHT,
        colour=ColourConversion(None, has_alpha=has_alpha),
        is_interlaced=False,
        codec=codec,
        pixel_format="rgba",
        sound_codecs=(),
        subtitle_codecs=(),
        chapters=(),
        notes=(),
        assumptions=(transparency_note(path),) if has_alpha else (),
    )


def _first_frame(image: Image.Image) -> int:
    """Return the number of an animation's first frame: 1 after a PNG's picture for old viewers."""
    return int(bool(getattr(image, "default_image", False)))


def _read_webp_durations(path: Path) -> list[Fraction]:
    """Return the seconds that each frame of a WebP file is shown."""
    return [Fraction(frame.duration_ms, 1000) for frame in find_webp_frames(path)]


def _read_png_durations(path: Path) -> list[Fraction]:
    """Return the seconds that each frame of an animated PNG is shown (PNG, 11.3.6.2)."""
    durations: list[Fraction] = []
    for kind, data in read_png_chunks(path):
        if kind == b"fcTL" and len(data) == FCTL_BYTES:
            numerator, denominator = struct.unpack(">HH", data[FCTL_DELAY_BYTES])
            duration = Fraction(numerator, denominator or DEFAULT_DELAY_DENOMINATOR)
            durations.append(duration or DEFAULT_FRAME_DURATION)
    return durations


def _read_avif_durations(path: Path) -> list[Fraction]:
    """Return the seconds that each frame of an AVIF sequence is shown.

    Raises:
        ValueError: The file is damaged.
    """
    try:
        with open_film(path) as container:
            stream = container.streams.best("video")
            assert stream is not None
            base = stream.time_base or Fraction(1, 1000)
            packets = [packet for packet in container.demux(stream) if packet.size]
            return [(packet.duration or 0) * base or DEFAULT_FRAME_DURATION for packet in packets]
    except av.error.FFmpegError as error:
        raise ValueError(error.strerror) from error
