"""A video's colour tags: its matrix, primaries, transfer function, peak brightness and alpha.

Untagged videos are taken for what players take them for.
"""

from __future__ import annotations

import av
import numpy as np

from dreamflow.media.colour.colour_matrices import (
    ICTCP,
    OWN_MATRICES,
    UNSUPPORTED_MATRICES,
    OwnMatrix,
)
from dreamflow.media.colour.hdr_tone_mapping import (
    DEFAULT_PQ_PEAK_NITS,
    H273_BT709,
    H273_BT2020,
    HDR_TRANSFER_BY_H273,
    PQ_MAX_NITS,
    PRIMARIES_XY_BY_H273,
    HdrTransfer,
)
from dreamflow.media.colour.rgb_conversion import ColourConversion
from dreamflow.media.colour.side_data import SideData, is_dolby_vision_5

SWSCALE_MATRIX_BY_H273 = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9}
"""swscale's number (SWS_CS_...) of a colour matrix, by its code in ITU-T H.273, table 4."""
SWS_CS_BT709, SWS_CS_BT601 = 1, 5
H273_UNSPECIFIED = 2
"""Code for "unspecified" of matrices, primaries and transfers in ITU-T H.273."""
H273_BT2020_MATRICES = (9, 10)
"""Codes of BT.2020's matrices, non-constant and constant luminance (ITU-T H.273, table 4)."""
MASTERING_DISPLAY_BYTES = 88
"""Size of FFmpeg's AVMasteringDisplayMetadata."""
MIN_HDR_PEAK_NITS = 200.0
"""Smallest peak brightness that an HDR video's metadata is believed to mean."""
HD_MIN_WIDTH_PX, SD_MAX_HEIGHT_PX = 1280, 576
"""An untagged video at least this wide, or higher than this, is BT.709; a smaller one is BT.601.
The rule of the player mpv."""


def detect_colour_conversion(
    stream: av.VideoStream, frame: av.VideoFrame, side_data: SideData
) -> ColourConversion:
    """Return how a video is converted to RGB, by its tags and its first frame's.

    Args:
        stream: The video stream of an open container.
        frame: Its first frame, whose tags have precedence over the stream's.
        side_data: Of that frame.

    Raises:
        ValueError: Its colours cannot be converted; says what they are.
    """
    check_convertible(frame, side_data)
    stream_tags = stream.codec_context
    matrix = int(frame.colorspace)
    primaries, transfer_code = (
        int(first if first != H273_UNSPECIFIED else container or H273_UNSPECIFIED)
        for first, container in (
            (frame.color_primaries, stream_tags.color_primaries),
            (frame.color_trc, stream_tags.color_trc),
        )
    )
    transfer = HDR_TRANSFER_BY_H273.get(transfer_code, "SDR")
    declared_primaries = primaries
    if primaries not in PRIMARIES_XY_BY_H273:  # BT.601's are close enough to BT.709's
        wide = matrix in H273_BT2020_MATRICES or (
            primaries == H273_UNSPECIFIED and transfer != "SDR"
        )
        primaries = H273_BT2020 if wide else H273_BT709
    if matrix == ICTCP:
        primaries, transfer = H273_BT2020, "HLG" if transfer == "HLG" else "PQ"
    hdr_transfer = None
    if primaries != H273_BT709 or transfer != "SDR":
        peak = _declared_peak_nits(side_data) if transfer == "PQ" else DEFAULT_PQ_PEAK_NITS
        hdr_transfer = HdrTransfer(primaries, transfer, peak)
    own_matrix = None
    if matrix in OWN_MATRICES and not is_rgb(frame):
        own_matrix = OwnMatrix(matrix, declared_primaries, transfer)
    return ColourConversion(
        _choose_matrix(stream, frame, matrix, hdr_transfer),
        hdr_transfer,
        _has_visible_alpha(stream, frame),
        own_matrix,
    )


def check_convertible(frame: av.VideoFrame, side_data: SideData) -> None:
    """Raise ValueError where a frame's colours are of a kind that is not converted."""
    if is_dolby_vision_5(side_data):
        raise ValueError("its colours are Dolby Vision's profile 5 (IPT-PQ-C2)")
    name = UNSUPPORTED_MATRICES.get(int(frame.colorspace))
    if name and not is_rgb(frame):
        raise ValueError(f"its colours are {name}")


def is_rgb(frame: av.VideoFrame) -> bool:
    """Return whether a frame's pixels are RGB already, whatever its tags say."""
    return frame.format.name.startswith(("rgb", "bgr", "gbr", "argb", "abgr", "pal"))


def _choose_matrix(
    stream: av.VideoStream, frame: av.VideoFrame, declared: int, hdr_transfer: HdrTransfer | None
) -> int | None:
    """Return swscale's number of the declared matrix, or of the one that players assume."""
    if is_rgb(frame):
        return None
    if declared in SWSCALE_MATRIX_BY_H273:
        return SWSCALE_MATRIX_BY_H273[declared]
    if hdr_transfer and hdr_transfer.primaries == H273_BT2020:
        return SWSCALE_MATRIX_BY_H273[H273_BT2020]
    is_hd = stream.width >= HD_MIN_WIDTH_PX or stream.height > SD_MAX_HEIGHT_PX
    return SWS_CS_BT709 if is_hd else SWS_CS_BT601


def _has_visible_alpha(stream: av.VideoStream, frame: av.VideoFrame) -> bool:
    """Return whether frames are transparent; a GIF's alpha shows the frame before instead."""
    if stream.metadata.get("alpha_mode") == "1":
        return True
    return stream.codec_context.name != "gif" and any(
        component.is_alpha for component in frame.format.components
    )


def _declared_peak_nits(side_data: SideData) -> float:
    """Return the peak brightness in a PQ frame's metadata: the least of MaxCLL and mastering."""
    claims: list[float] = []
    if side_data.content_light_level:
        claims.append(float(np.frombuffer(side_data.content_light_level[:4], np.uint32)[0]))
    if len(side_data.mastering_display) >= MASTERING_DISPLAY_BYTES:
        # AVMasteringDisplayMetadata: 18 / 19 is max_luminance, 21 is has_luminance.
        cells = np.frombuffer(side_data.mastering_display[:MASTERING_DISPLAY_BYTES], np.int32)
        if cells[21] and cells[19]:
            claims.append(float(cells[18] / cells[19]))
    claims = [nits for nits in claims if nits > 0]
    peak = min(claims) if claims else DEFAULT_PQ_PEAK_NITS
    return min(max(peak, MIN_HDR_PEAK_NITS), PQ_MAX_NITS)


def has_high_bit_depth(frame: av.VideoFrame) -> bool:
    """Return whether a frame has more than 8 bits a channel."""
    return any(component.bits > 8 for component in frame.format.components)
