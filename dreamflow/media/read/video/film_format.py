"""The format in which a film's own samples are kept."""

from __future__ import annotations

import av

from dreamflow.media.read.video.deep_frames import is_deep_film
from dreamflow.media.read.video.orientation import Orientation
from dreamflow.media.read.video.video_info import VideoInfo
from dreamflow.media.sample_format import SampleFormat

CHROMA_NAMES = {(1, 1): "444p", (2, 1): "422p", (2, 2): "420p", (1, 2): "440p", (4, 1): "411p"}
"""FFmpeg's names of planar YUV, by columns and rows that share a sample of chroma."""
PLANAR_BITS = (8, 9, 10, 12, 14, 16)
"""Bits of a sample in FFmpeg's planar formats."""


def find_sample_format(info: VideoInfo) -> SampleFormat | None:
    """Return the planar format of a film's samples.

    None for a film that has nothing more in it than 8-bit RGB, or whose colours are converted by a
    matrix that is not linear.

    Args:
        info: The probed film.
    """
    is_xyz = info.pixel_format.startswith("xyz")
    if not is_deep_film(info) or info.colour.own_matrix is not None or is_xyz:
        return None
    layout = av.VideoFormat(info.pixel_format)
    name = _planar_name(layout, info.colour.has_alpha, info.orientation)
    return SampleFormat(name, info.tags)


def _planar_name(layout: av.VideoFormat, has_alpha: bool, orientation: Orientation) -> str:
    bits = next(n for n in PLANAR_BITS if n >= min(layout.components[0].bits, PLANAR_BITS[-1]))
    depth = f"{bits}le" if bits > 8 else ""
    is_grey = len(layout.components) < 3
    if is_grey and not has_alpha:
        return f"gray{depth}"
    if layout.is_rgb or is_grey:
        return f"gbrap{depth}" if has_alpha else f"gbrp{depth}"
    across, down = 4 // layout.chroma_width(4), 4 // layout.chroma_height(4)
    if orientation[0] == 0 and across != down:
        across = down = 1  # 4:2:2 that lies on its side
    family = "yuva" if has_alpha else "yuv"
    for chroma in (CHROMA_NAMES.get((across, down), "444p"), "444p"):
        if _is_pixel_format(name := f"{family}{chroma}{depth}"):
            return name
    return f"{family}444p16le"


def _is_pixel_format(name: str) -> bool:
    try:
        return bool(av.VideoFormat(name).components)
    except ValueError:
        return False
