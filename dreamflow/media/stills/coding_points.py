"""Colours that are tagged by code points (ITU-T H.273), as in HEIF and AVIF, brought to sRGB."""

from __future__ import annotations

import numpy as np

from dreamflow.core.opencv import cv2
from dreamflow.media.colour.hdr_tone_mapping import (
    H273_BT709,
    H273_BT2020,
    HDR_TRANSFER_BY_H273,
    PRIMARIES_XY_BY_H273,
    HdrTransfer,
)
from dreamflow.media.colour.primaries import primaries_to_bt709_matrix
from dreamflow.media.stills.decoded_picture import linear_to_srgb, srgb_to_linear


def tone_mapped_note(transfer: str) -> str:
    """Return what is said of a picture with an HDR transfer function, by its name."""
    return f"it is HDR ({transfer}), which is tone-mapped to SDR"


def converts_colours(primaries: int, transfer: int) -> bool:
    """Return whether pictures with these code points are not those of sRGB already."""
    wide = primaries != H273_BT709 and primaries in PRIMARIES_XY_BY_H273
    return wide or transfer in HDR_TRANSFER_BY_H273


def convert_code_points(
    pixels: np.ndarray, primaries: int, transfer: int, white_code: int
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Convert a picture to sRGB.

    Args:
        pixels: (H, W, 3) uint16 RGB.
        primaries: Code point of the primaries; an unknown one of an HDR picture means BT.2020.
        transfer: Code point of the transfer function; all that are not HDR count as sRGB's.
        white_code: Code value of signal 1.

    Returns:
        (H, W, 3) uint8 RGB, and what was lost.
    """
    if transfer in HDR_TRANSFER_BY_H273:
        name = HDR_TRANSFER_BY_H273[transfer]
        known = primaries if primaries in PRIMARIES_XY_BY_H273 else H273_BT2020
        sdr = HdrTransfer(known, name).to_sdr(pixels, white_code)
        return sdr, (tone_mapped_note(name),)
    light = srgb_to_linear(np.minimum(pixels.astype(np.float32) / white_code, 1))
    light = cv2.transform(light, primaries_to_bt709_matrix(PRIMARIES_XY_BY_H273[primaries]))
    return np.rint(255 * linear_to_srgb(light)).astype(np.uint8), ()
