"""What a film's colours mean, and its frames as the 8-bit RGB of BT.709 that is dreamed on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from av.video.reformatter import Interpolation

from dreamflow.media.light import (
    BT2020,
    PQ_LIMIT_NITS,
    PRIMARIES,
    TRANSFERS,
    USUAL_PEAK_NITS,
    Light,
)

EXACT_COLOURS = Interpolation.BICUBIC.value | 0x40000 | 0x2000
"""swscale's flags for exact rounding and full chroma: without them films come out a level dark."""
MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
"""swscale's numbers (SWS_CS_...) of the matrices of ITU-T H.273."""
ITU709, ITU601 = 1, 5
FULL_RANGE = 2
UNSPECIFIED = 2
"""What says nothing, of the matrices, primaries and transfers of ITU-T H.273."""
DIMMEST_PEAK_NITS = 200.0
"""No HDR film is meant to be dimmer, whatever it claims."""


@dataclass(frozen=True)
class Colour:
    """How a film's colours are decoded.

    matrix: colour matrix, by swscale's number; None for RGB and for what PyAV makes of it. light:
    what its light is, or None where it is that of SDR BT.709. alpha: whether it has transparency.
    """

    matrix: int | None
    light: Light | None = None
    alpha: bool = False

    def rgb(self, frame: av.VideoFrame) -> np.ndarray:
        """Return a frame as uint8 (H, W, 3) RGB; what is transparent is black."""
        if self.light:
            return self.light.shown(self._converted(frame, "rgb48le"), self._white(frame))
        if not self.alpha:
            return self._converted(frame, "rgb24")
        return self.flat(self._converted(frame, "rgba"))

    def flat(self, picture: np.ndarray) -> np.ndarray:
        """Return uint8 (H, W, 4) RGBA as uint8 (H, W, 3) RGB: laid over black."""
        share = picture[..., 3:].astype(np.uint16)
        return ((picture[..., :3] * share + 127) // 255).astype(np.uint8)

    def _white(self, frame: av.VideoFrame) -> int:
        """Return the 16-bit code that swscale makes of a frame's white: shifted, not stretched."""
        if self.matrix is None:
            return 65535
        full = int(frame.color_range) == FULL_RANGE or frame.format.name.startswith("yuvj")
        bits = frame.format.components[0].bits if full else 8
        return (2**bits - 1) << (16 - bits)

    def _converted(self, frame: av.VideoFrame, layout: str) -> np.ndarray:
        return frame.reformat(
            format=layout, src_colorspace=self.matrix, interpolation=EXACT_COLOURS
        ).to_ndarray()


class Coverage(Colour):
    """Decodes a film's transparency instead of its colours."""

    def rgb(self, frame: av.VideoFrame) -> np.ndarray:
        """Return how opaque a frame is, as grey: uint8 (H, W, 3)."""
        return self.flat(self._converted(frame, "rgba"))

    def flat(self, picture: np.ndarray) -> np.ndarray:
        """Return how opaque uint8 (H, W, 4) RGBA is, as grey: uint8 (H, W, 3)."""
        return np.repeat(picture[..., 3:], 3, axis=2)


def colour_of(stream: av.VideoStream, frame: av.VideoFrame) -> Colour:
    """Return how a film's colours are decoded, by what it says of itself and by its first frame."""
    said = stream.codec_context
    matrix = int(frame.colorspace)
    primaries, transfer = (
        int(first if first != UNSPECIFIED else container or UNSPECIFIED)
        for first, container in (
            (frame.color_primaries, said.color_primaries),
            (frame.color_trc, said.color_trc),
        )
    )
    tone = TRANSFERS.get(transfer, "SDR")
    if primaries not in PRIMARIES:  # those of BT.601 are not told apart from BT.709's
        wide = matrix in (9, 10) or (primaries == UNSPECIFIED and tone != "SDR")
        primaries = BT2020 if wide else 1
    light = None
    if primaries != 1 or tone != "SDR":
        light = Light(primaries, tone, _peak(frame) if tone == "PQ" else USUAL_PEAK_NITS)
    return Colour(_matrix(stream, frame, matrix, light), light, _transparent(stream, frame))


def _matrix(
    stream: av.VideoStream, frame: av.VideoFrame, said: int, light: Light | None
) -> int | None:
    """Return the colour matrix a film says it has; one that says nothing, as players guess.

    Their rule (mpv's): BT.2020 with its primaries, else HD is BT.709, and the rest BT.601.
    """
    if frame.format.name.startswith(("rgb", "bgr", "gbr", "argb", "abgr", "pal")):
        return None
    if said != UNSPECIFIED:
        return MATRICES.get(said)
    if light and light.primaries == BT2020:
        return MATRICES[BT2020]
    return ITU709 if stream.width >= 1280 or stream.height > 576 else ITU601


def _transparent(stream: av.VideoStream, frame: av.VideoFrame) -> bool:
    """Return whether frames have transparency that counts; a GIF's shows what lies below."""
    if stream.metadata.get("alpha_mode") == "1":
        return True
    return stream.codec_context.name != "gif" and any(
        component.is_alpha for component in frame.format.components
    )


def _peak(frame: av.VideoFrame) -> float:
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
    peak = min(claims) if claims else USUAL_PEAK_NITS
    return min(max(peak, DIMMEST_PEAK_NITS), PQ_LIMIT_NITS)


def deep(frame: av.VideoFrame) -> bool:
    """Return whether a frame has more than 8 bits a channel."""
    return any(component.bits > 8 for component in frame.format.components)
