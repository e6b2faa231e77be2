"""Decoding DPX stills (SMPTE 268M) with FFmpeg's libraries."""

from __future__ import annotations

import struct
from pathlib import Path

import av
import av.error
import numpy as np

from dreamflow.media.files.film_file import open_film
from dreamflow.media.stills.decoded_picture import DecodedPicture, grey_to_rgb
from dreamflow.media.stills.memory import check_picture_memory

BIG_ENDIAN_MAGIC = b"SDPX"
SIZE_OFFSET = 772
"""Place of the width and the height, 32 bits each."""
TRANSFER_OFFSET = 801
"""Place of the first image element's transfer characteristic, a byte."""
HEADER_BYTES = 1024
DENSITY_TRANSFERS = frozenset({1, 3})
"""Codes of printing density and logarithmic. Others count as coded for video: FFmpeg writes
"linear" over any picture, and 10 bits of linear light would show steps."""
DENSITY_NOTE = "its film density (Cineon) is converted to a display's levels"
WHITE_CODE, BLACK_CODE = 685, 95
"""10-bit codes of a Cineon picture's white and black (Kodak's 10-bit log film data)."""
DENSITY_PER_CODE, NEGATIVE_GAMMA = 0.002, 0.6
"""Density of a 10-bit code, and the gamma of the negative (ibid.)."""
MAX_CODE_10_BIT = 1023


def read_dpx_size(path: Path) -> tuple[int, int]:
    """Return the (width, height) of a DPX picture, from its header.

    Raises:
        ValueError: The header is cut short.
        OSError: The file cannot be opened.
    """
    header = _read_header(path)
    order = ">" if header.startswith(BIG_ENDIAN_MAGIC) else "<"
    width, height = struct.unpack_from(f"{order}II", header, SIZE_OFFSET)
    return width, height


def decode_dpx(path: Path) -> DecodedPicture:
    """Decode a DPX picture.

    Raises:
        MediaError: It is larger than memory allows.
        ValueError: It is damaged, or of a kind that FFmpeg does not decode.
    """
    check_picture_memory(path, *read_dpx_size(path))
    is_density = _read_header(path)[TRANSFER_OFFSET] in DENSITY_TRANSFERS
    try:
        with open_film(path, "dpx_pipe") as container:
            frame = next(container.decode(video=0), None)
    except (av.error.FFmpegError, OSError) as error:
        raise ValueError(getattr(error, "strerror", None) or str(error)) from error
    if frame is None:
        raise ValueError("its pixels cannot be decoded")
    shares = _read_shares(frame)
    alpha = None
    if shares.shape[2] == 4 and bool((shares[..., 3] < 1).any()):
        alpha = shares[..., 3].astype(np.float32)
    if is_density:
        return DecodedPicture(density_to_light(shares[..., :3]), alpha, notes=(DENSITY_NOTE,))
    return DecodedPicture(np.rint(65535 * shares[..., :3]).astype(np.uint16), alpha)


def _read_shares(frame: av.VideoFrame) -> np.ndarray:
    """Return a frame as (H, W, 3) RGB or (H, W, 4) RGBA, float64 shares of full scale."""
    layout = frame.format
    has_alpha = any(component.is_alpha for component in layout.components)
    bits = layout.components[0].bits
    if not layout.is_rgb and len(layout.components) > 1:  # YUV
        codes = frame.reformat(format="rgba64le" if has_alpha else "rgb48le").to_ndarray()
        return np.minimum(codes / float((2**bits - 1) << (16 - bits)), 1)
    # Of the depth that it has: swscale stretches codes to more bits in ways that differ.
    if not layout.is_rgb:
        name = "gray" if bits == 8 else f"gray{bits}le"
        return grey_to_rgb(frame.reformat(format=name).to_ndarray() / (2**bits - 1))
    if bits in (10, 12):
        name = f"gbrap{bits}le" if has_alpha else f"gbrp{bits}le"
    elif bits == 8:
        name = "rgba" if has_alpha else "rgb24"
    else:
        name = "rgba64le" if has_alpha else "rgb48le"
    return frame.reformat(format=name).to_ndarray() / (2**bits - 1)


def density_to_light(shares: np.ndarray) -> np.ndarray:
    """Return the linear light of Cineon codes, given as shares of full scale; white is 1."""
    codes = shares * MAX_CODE_10_BIT
    exponent = (codes - WHITE_CODE) * DENSITY_PER_CODE / NEGATIVE_GAMMA
    black = 10 ** ((BLACK_CODE - WHITE_CODE) * DENSITY_PER_CODE / NEGATIVE_GAMMA)
    return ((10**exponent - black) / (1 - black)).astype(np.float32)


def _read_header(path: Path) -> bytes:
    with path.open("rb") as file:
        header = file.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES:
        raise ValueError("its header is cut short")
    return header
