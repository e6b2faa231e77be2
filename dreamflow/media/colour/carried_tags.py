"""What a film says of its colours, as it is carried into an output that keeps its samples."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import av
import numpy as np

from dreamflow.media.colour.colour_matrices import OWN_MATRICES
from dreamflow.media.colour.colour_tags import (
    H273_UNSPECIFIED,
    MASTERING_DISPLAY_BYTES,
    SWSCALE_MATRIX_BY_H273,
    is_rgb,
)
from dreamflow.media.colour.rgb_conversion import AVCOL_RANGE_FULL, ColourConversion
from dreamflow.media.colour.side_data import SideData

H273_RGB = 0
"""Code of the matrix of RGB (ITU-T H.273, table 4)."""
H273_BT601_525 = 6
PRIMARIES_UNIT, LUMINANCE_UNIT = 50_000, 10_000
"""Units in one of a chromaticity, and in a nit, of mastering metadata (H.265, D.3.28)."""


@dataclass(frozen=True)
class ColourTags:
    """A film's colour tags, by their codes in ITU-T H.273.

    Attributes:
        matrix: Table 4; 0 is RGB.
        primaries: Table 2; 2 is "unspecified".
        transfer: Table 3; 2 is "unspecified".
        is_full_range: Whether black is code 0 and white the highest one.
        mastering_display: Colour volume of the mastering display (SMPTE ST 2086) in units of
            0.00002 and 0.0001 nits, `G(x,y)B(x,y)R(x,y)WP(x,y)L(max,min)`; "" where it is unknown.
        content_light: MaxCLL and MaxFALL in nits, with a comma; "" where they are unknown.
    """

    matrix: int = H273_RGB
    primaries: int = H273_UNSPECIFIED
    transfer: int = H273_UNSPECIFIED
    is_full_range: bool = True
    mastering_display: str = ""
    content_light: str = ""

    @property
    def ffmpeg_range(self) -> str:
        """FFmpeg's name of the range."""
        return "pc" if self.is_full_range else "tv"

    @property
    def setparams(self) -> str:
        """FFmpeg's filter that tags frames so."""
        codes = f"color_primaries={self.primaries}:color_trc={self.transfer}"
        return f"setparams=colorspace={self.matrix}:{codes}:range={self.ffmpeg_range}"

    def to_dict(self) -> dict[str, Any]:
        """Return the tags as values that JSON can hold."""
        return asdict(self)


def read_colour_tags(
    stream: av.VideoStream, frame: av.VideoFrame, side_data: SideData, colour: ColourConversion
) -> ColourTags:
    """Return a film's tags; a matrix that is not stated is the one that it is converted by.

    Args:
        stream: The video stream of an open container.
        frame: Its first frame, whose tags have precedence over the stream's.
        side_data: Of that frame.
        colour: How its frames are converted to RGB.
    """
    stated = stream.codec_context
    primaries, transfer = (
        int(first if first != H273_UNSPECIFIED else container or H273_UNSPECIFIED)
        for first, container in (
            (frame.color_primaries, stated.color_primaries),
            (frame.color_trc, stated.color_trc),
        )
    )
    return ColourTags(
        _find_matrix(frame, colour),
        primaries,
        transfer,
        _is_full_range(frame),
        _describe_mastering_display(side_data.mastering_display),
        _describe_content_light(side_data.content_light_level),
    )


def _find_matrix(frame: av.VideoFrame, colour: ColourConversion) -> int:
    declared = int(frame.colorspace)
    if is_rgb(frame):
        return H273_RGB
    if declared in SWSCALE_MATRIX_BY_H273 or declared in OWN_MATRICES:
        return declared
    by_swscale = {number: code for code, number in reversed(SWSCALE_MATRIX_BY_H273.items())}
    by_swscale[SWSCALE_MATRIX_BY_H273[H273_BT601_525]] = H273_BT601_525
    return by_swscale.get(colour.matrix or 0, H273_UNSPECIFIED)


def _is_full_range(frame: av.VideoFrame) -> bool:
    name, stated = frame.format.name, int(frame.color_range)
    return stated == AVCOL_RANGE_FULL or name.startswith("yuvj") or (is_rgb(frame) and not stated)


def _describe_mastering_display(data: bytes) -> str:
    if len(data) < MASTERING_DISPLAY_BYTES:
        return ""
    # AVMasteringDisplayMetadata: 8 x, y of red, green, blue and white, and 2 luminances, least
    # first, each as a numerator and a denominator; then whether there are primaries, luminances.
    cells = np.frombuffer(data[:MASTERING_DISPLAY_BYTES], np.int32)
    numerators, denominators = cells[0:20:2], cells[1:20:2]
    if not (cells[20] and cells[21] and denominators.all()):
        return ""
    shares = numerators / denominators
    red, green, blue, white = np.rint(shares[:8] * PRIMARIES_UNIT).astype(int).reshape(4, 2)
    least, most = np.rint(shares[8:] * LUMINANCE_UNIT).astype(int)
    points = (("G", green), ("B", blue), ("R", red), ("WP", white), ("L", (most, least)))
    return "".join(f"{name}({first},{second})" for name, (first, second) in points)


def _describe_content_light(data: bytes) -> str:
    if len(data) < 8:
        return ""
    most, average = np.frombuffer(data[:8], np.uint32)
    return f"{most},{average}" if most or average else ""
