"""Decoded frames of a known colour matrix as 8-bit RGB of BT.709, transparency over black."""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np
from av.video.reformatter import Interpolation

from dreamflow.media.colour.hdr_tone_mapping import HdrTransfer

EXACT_RGB_SWSCALE_FLAGS = Interpolation.BICUBIC.value | 0x40000 | 0x2000
"""swscale's SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT; without the last two, decoded
colours are a level too dark."""
AVCOL_RANGE_FULL = 2
"""FFmpeg's AVCOL_RANGE_JPEG: luma from 0 to 255 instead of 16 to 235."""
CODE_16_WHITE = 65535


@dataclass(frozen=True)
class ColourConversion:
    """Conversion of a video's decoded frames to RGB.

    Attributes:
        matrix: swscale's number of the colour matrix (SWS_CS_...); None for RGB, and for a matrix
            that is left to PyAV.
        hdr_transfer: Transfer function and primaries, or None for those of SDR BT.709.
        has_alpha: Whether frames have transparency.
    """

    matrix: int | None
    hdr_transfer: HdrTransfer | None = None
    has_alpha: bool = False

    def to_rgb(self, frame: av.VideoFrame) -> np.ndarray:
        """Return a frame as (H, W, 3) uint8 RGB; what is transparent is black."""
        if self.hdr_transfer:
            return self.hdr_transfer.to_sdr(
                self._reformat(frame, "rgb48le"), self._white_code(frame)
            )
        if not self.has_alpha:
            return self._reformat(frame, "rgb24")
        return self.flatten_alpha(self._reformat(frame, "rgba"))

    def flatten_alpha(self, picture: np.ndarray) -> np.ndarray:
        """Composite (H, W, 4) uint8 RGBA over black, as (H, W, 3) uint8 RGB."""
        share = picture[..., 3:].astype(np.uint16)
        return ((picture[..., :3] * share + 127) // 255).astype(np.uint8)

    def _white_code(self, frame: av.VideoFrame) -> int:
        """Return the 16-bit code that swscale gives a frame's white: shifted, not stretched."""
        if self.matrix is None:
            return CODE_16_WHITE
        full = int(frame.color_range) == AVCOL_RANGE_FULL or frame.format.name.startswith("yuvj")
        bits = frame.format.components[0].bits if full else 8
        return (2**bits - 1) << (16 - bits)

    def _reformat(self, frame: av.VideoFrame, layout: str) -> np.ndarray:
        return frame.reformat(
            format=layout, src_colorspace=self.matrix, interpolation=EXACT_RGB_SWSCALE_FLAGS
        ).to_ndarray()


class AlphaConversion(ColourConversion):
    """Conversion of a video's transparency, instead of its colours, to grey."""

    def to_rgb(self, frame: av.VideoFrame) -> np.ndarray:
        """Return a frame's opacity as grey, (H, W, 3) uint8."""
        return self.flatten_alpha(self._reformat(frame, "rgba"))

    def flatten_alpha(self, picture: np.ndarray) -> np.ndarray:
        """Return the opacity of (H, W, 4) uint8 RGBA as grey, (H, W, 3) uint8."""
        return np.repeat(picture[..., 3:], 3, axis=2)
