"""What a film's colours mean, and its frames as the 8-bit RGB of BT.709 that is dreamed on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation

from dreamflow.media.colour.hdr import (
    DEFAULT_PQ_PEAK_NITS,
    H273_BT2020,
    HDR_TRANSFER_BY_H273,
    PQ_MAX_NITS,
    PRIMARIES_XY_BY_H273,
    HdrTransfer,
)

EXACT_RGB_SWSCALE_FLAGS = Interpolation.BICUBIC.value | 0x40000 | 0x2000
"""swscale's flags for exact rounding and full chroma: without them films come out a level dark."""
SWSCALE_MATRIX_BY_H273 = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
"""swscale's numbers (SWS_CS_...) of the matrices of ITU-T H.273."""
SWS_CS_BT709, SWS_CS_BT601 = 1, 5
AVCOL_RANGE_FULL = 2
H273_UNSPECIFIED = 2
"""What says nothing, of the matrices, primaries and transfers of ITU-T H.273."""
MIN_HDR_PEAK_NITS = 200.0
"""No HDR film is meant to be dimmer, whatever it claims."""


@dataclass(frozen=True)
class ColourConversion:
    """How a film's colours are decoded.

    matrix: colour matrix, by swscale's number; None for RGB and for what PyAV makes of it. light:
    what its light is, or None where it is that of SDR BT.709. alpha: whether it has transparency.
    """

    matrix: int | None
    hdr_transfer: HdrTransfer | None = None
    has_alpha: bool = False

    def to_rgb(self, frame: av.VideoFrame) -> np.ndarray:
        """Return a frame as uint8 (H, W, 3) RGB; what is transparent is black."""
        if self.hdr_transfer:
            return self.hdr_transfer.to_sdr(
                self._reformat(frame, "rgb48le"), self._white_code(frame)
            )
        if not self.has_alpha:
            return self._reformat(frame, "rgb24")
        return self.flatten_alpha(self._reformat(frame, "rgba"))

    def flatten_alpha(self, picture: np.ndarray) -> np.ndarray:
        """Return uint8 (H, W, 4) RGBA as uint8 (H, W, 3) RGB: laid over black."""
        share = picture[..., 3:].astype(np.uint16)
        return ((picture[..., :3] * share + 127) // 255).astype(np.uint8)

    def _white_code(self, frame: av.VideoFrame) -> int:
        """Return the 16-bit code that swscale makes of a frame's white: shifted, not stretched."""
        if self.matrix is None:
            return 65535
        full = int(frame.color_range) == AVCOL_RANGE_FULL or frame.format.name.startswith("yuvj")
        bits = frame.format.components[0].bits if full else 8
        return (2**bits - 1) << (16 - bits)

    def _reformat(self, frame: av.VideoFrame, layout: str) -> np.ndarray:
        return frame.reformat(
            format=layout, src_colorspace=self.matrix, interpolation=EXACT_RGB_SWSCALE_FLAGS
        ).to_ndarray()


class AlphaConversion(ColourConversion):
    """Decodes a film's transparency instead of its colours."""

    def to_rgb(self, frame: av.VideoFrame) -> np.ndarray:
        """Return how opaque a frame is, as grey: uint8 (H, W, 3)."""
        return self.flatten_alpha(self._reformat(frame, "rgba"))

    def flatten_alpha(self, picture: np.ndarray) -> np.ndarray:
        """Return how opaque uint8 (H, W, 4) RGBA is, as grey: uint8 (H, W, 3)."""
        return np.repeat(picture[..., 3:], 3, axis=2)


def detect_colour_conversion(stream: av.VideoStream, frame: av.VideoFrame) -> ColourConversion:
    """Return how a film's colours are decoded, by what it says of itself and by its first frame."""
    said = stream.codec_context
    matrix = int(frame.colorspace)
    primaries, transfer = (
        int(first if first != H273_UNSPECIFIED else container or H273_UNSPECIFIED)
        for first, container in (
            (frame.color_primaries, said.color_primaries),
            (frame.color_trc, said.color_trc),
        )
    )
    tone = HDR_TRANSFER_BY_H273.get(transfer, "SDR")
    if primaries not in PRIMARIES_XY_BY_H273:  # those of BT.601 are not told apart from BT.709's
        wide = matrix in (9, 10) or (primaries == H273_UNSPECIFIED and tone != "SDR")
        primaries = H273_BT2020 if wide else 1
    light = None
    if primaries != 1 or tone != "SDR":
        light = HdrTransfer(
            primaries, tone, _declared_peak_nits(frame) if tone == "PQ" else DEFAULT_PQ_PEAK_NITS
        )
    return ColourConversion(
        _choose_matrix(stream, frame, matrix, light), light, _has_visible_alpha(stream, frame)
    )


def _choose_matrix(
    stream: av.VideoStream, frame: av.VideoFrame, declared: int, hdr_transfer: HdrTransfer | None
) -> int | None:
    """Return the colour matrix a film says it has; one that says nothing, as players guess.

    Their rule (mpv's): BT.2020 with its primaries, else HD is BT.709, and the rest BT.601.
    """
    if frame.format.name.startswith(("rgb", "bgr", "gbr", "argb", "abgr", "pal")):
        return None
    if declared != H273_UNSPECIFIED:
        return SWSCALE_MATRIX_BY_H273.get(declared)
    if hdr_transfer and hdr_transfer.primaries == H273_BT2020:
        return SWSCALE_MATRIX_BY_H273[H273_BT2020]
    return SWS_CS_BT709 if stream.width >= 1280 or stream.height > 576 else SWS_CS_BT601


def _has_visible_alpha(stream: av.VideoStream, frame: av.VideoFrame) -> bool:
    """Return whether frames have transparency that counts; a GIF's shows what lies below."""
    if stream.metadata.get("alpha_mode") == "1":
        return True
    return stream.codec_context.name != "gif" and any(
        component.is_alpha for component in frame.format.components
    )


def _declared_peak_nits(frame: av.VideoFrame) -> float:
    """Return the brightest that PQ film claims to be, in nits."""
    claims: list[float] = []
    kept: Any = frame.side_data  # PyAV's stubs take it for a plain mapping
    for side_data in kept:
        if side_data.type.name == "CONTENT_LIGHT_LEVEL":
            claims.append(float(np.frombuffer(bytes(side_data)[:4], np.uint32)[0]))
        elif side_data.type.name == "MASTERING_DISPLAY_METADATA":
            cells = np.frombuffer(bytes(side_data)[:88], np.int32)
            if cells[21] and cells[19]:
                claims.append(float(cells[18] / cells[19]))
    claims = [nits for nits in claims if nits > 0]
    peak = min(claims) if claims else DEFAULT_PQ_PEAK_NITS
    return min(max(peak, MIN_HDR_PEAK_NITS), PQ_MAX_NITS)


def has_high_bit_depth(frame: av.VideoFrame) -> bool:
    """Return whether a frame has more than 8 bits a channel."""
    return any(component.bits > 8 for component in frame.format.components)
