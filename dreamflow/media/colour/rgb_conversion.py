"""Decoded frames of a known colour matrix as 8-bit RGB of BT.709, transparency over black."""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np
from av.video.reformatter import Interpolation

from dreamflow.media.colour.colour_matrices import OwnMatrix
from dreamflow.media.colour.hdr_tone_mapping import HdrTransfer

EXACT_RGB_SWSCALE_FLAGS = Interpolation.BICUBIC.value | 0x40000 | 0x2000
"""swscale's SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT; without the last two, decoded
colours are a level too dark."""
AVCOL_RANGE_FULL = 2
"""FFmpeg's AVCOL_RANGE_JPEG: luma from 0 to 255 instead of 16 to 235."""
CODE_16_WHITE = 65535
SWS_CS_DEFAULT = 5
"""Some matrix of swscale's, the same on both sides, so that none is applied."""


@dataclass(frozen=True)
class ColourConversion:
    """Conversion of a video's decoded frames to RGB.

    Attributes:
        matrix: swscale's number of the colour matrix (SWS_CS_...); None for RGB, and for a matrix
            that is left to PyAV.
        hdr_transfer: Transfer function and primaries, or None for those of SDR BT.709.
        has_alpha: Whether frames have transparency.
        own_matrix: A matrix that swscale does not know, instead of `matrix`.
        is_premultiplied: Whether colours are multiplied by alpha.
    """

    matrix: int | None
    hdr_transfer: HdrTransfer | None = None
    has_alpha: bool = False
    own_matrix: OwnMatrix | None = None
    is_premultiplied: bool = False

    def to_rgb(self, frame: av.VideoFrame) -> np.ndarray:
        """Return a frame as (H, W, 3) uint8 RGB; what is transparent is black."""
        if self.own_matrix:
            return self._convert_by_own_matrix(frame, self.own_matrix)
        if self.hdr_transfer:
            return self.hdr_transfer.to_sdr(
                self._reformat(frame, "rgb48le"), self._white_code(frame)
            )
        if not self.has_alpha:
            return self._reformat(frame, "rgb24")
        return self.flatten_alpha(self._reformat(frame, "rgba"))

    def to_deep_rgb(self, frame: av.VideoFrame) -> tuple[np.ndarray, np.ndarray | None]:
        """Return a frame's colours in their own transfer and primaries, and its alpha.

        Returns:
            (H, W, 3) uint16 RGB, as the film has them, and (H, W) uint16; None where frames are
            opaque.

        Raises:
            ValueError: Its matrix is one that swscale does not know.
        """
        if self.own_matrix:
            raise ValueError("a matrix of its own")
        if self.matrix is None and frame.format.components[0].bits == 8:
            # By itself: swscale takes 8-bit RGB to 16 bits through YUV.
            codes = self._reformat(frame, "rgba" if self.has_alpha else "rgb24").astype(np.uint16)
            codes *= CODE_16_WHITE // 255
            return codes[..., :3], codes[..., 3] if self.has_alpha else None
        codes = self._reformat(frame, "rgba64le" if self.has_alpha else "rgb48le")
        colours = _stretch(codes[..., :3], self._white_code(frame))
        if not self.has_alpha:
            return colours, None
        bits = frame.format.components[-1].bits
        white = CODE_16_WHITE if self.matrix is None else (2**bits - 1) << (16 - bits)
        return colours, _stretch(codes[..., 3], white)

    def _convert_by_own_matrix(self, frame: av.VideoFrame, matrix: OwnMatrix) -> np.ndarray:
        planes = frame.reformat(
            format="yuv444p16le",
            src_colorspace=SWS_CS_DEFAULT,
            dst_colorspace=SWS_CS_DEFAULT,
            src_color_range=frame.color_range,
            dst_color_range=frame.color_range,
            interpolation=EXACT_RGB_SWSCALE_FLAGS,
        ).to_ndarray()
        codes = (planes if planes.shape[-1] == 3 else planes.transpose(1, 2, 0)).astype(np.float32)
        full = _is_full_range(frame)
        bits = frame.format.components[0].bits
        unit = (65535 / (2**bits - 1) if full else 2.0 ** (16 - bits)) * 2.0 ** (bits - 8)
        luma_low, luma_span = (0, 255) if full else (16, 219)
        chroma_span = 255 if full else matrix.limited_chroma_span
        ycc = codes / unit - np.array([luma_low, 128, 128], np.float32)
        ycc /= np.array([luma_span, chroma_span, chroma_span], np.float32)
        rgb = np.clip(matrix.to_rgb(ycc), 0, 1)
        if self.hdr_transfer:
            return self.hdr_transfer.to_sdr((rgb * CODE_16_WHITE + 0.5).astype(np.uint16), 65535)
        return (rgb * 255 + 0.5).astype(np.uint8)

    def flatten_alpha(self, picture: np.ndarray) -> np.ndarray:
        """Composite (H, W, 4) uint8 RGBA over black, as (H, W, 3) uint8 RGB."""
        if self.is_premultiplied:
            return np.ascontiguousarray(picture[..., :3])
        share = picture[..., 3:].astype(np.uint16)
        return ((picture[..., :3] * share + 127) // 255).astype(np.uint8)

    def _white_code(self, frame: av.VideoFrame) -> int:
        """Return the 16-bit code that swscale gives a frame's white: shifted, not stretched."""
        if self.matrix is None:
            return CODE_16_WHITE
        bits = frame.format.components[0].bits if _is_full_range(frame) else 8
        return (2**bits - 1) << (16 - bits)

    def _reformat(self, frame: av.VideoFrame, layout: str) -> np.ndarray:
        return frame.reformat(
            format=layout, src_colorspace=self.matrix, interpolation=EXACT_RGB_SWSCALE_FLAGS
        ).to_ndarray()


def _stretch(codes: np.ndarray, white: int) -> np.ndarray:
    """Return 16-bit codes of which `white` is full scale as those of which 65535 is."""
    if white == CODE_16_WHITE:
        return np.ascontiguousarray(codes)
    shares = codes.astype(np.float32) * np.float32(CODE_16_WHITE / white)
    return np.rint(np.minimum(shares, CODE_16_WHITE)).astype(np.uint16)


def _is_full_range(frame: av.VideoFrame) -> bool:
    """Return whether luma goes from 0 to the highest code."""
    return int(frame.color_range) == AVCOL_RANGE_FULL or frame.format.name.startswith("yuvj")


class AlphaConversion(ColourConversion):
    """Conversion of a video's transparency, instead of its colours, to grey."""

    def to_rgb(self, frame: av.VideoFrame) -> np.ndarray:
        """Return a frame's opacity as grey, (H, W, 3) uint8."""
        return self.flatten_alpha(self._reformat(frame, "rgba"))

    def flatten_alpha(self, picture: np.ndarray) -> np.ndarray:
        """Return the opacity of (H, W, 4) uint8 RGBA as grey, (H, W, 3) uint8."""
        return np.repeat(picture[..., 3:], 3, axis=2)
