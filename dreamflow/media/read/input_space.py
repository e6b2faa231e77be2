"""Sources whose colour space the user names, in place of what their files say."""

from __future__ import annotations

import numpy as np

from dreamflow.media.colour.hdr_tone_mapping import H273_BT2020, HdrTransfer
from dreamflow.media.depth.codings import SDR_CODING, Coding
from dreamflow.media.depth.colour_spaces import find_coding
from dreamflow.media.depth.read import DeepPicture
from dreamflow.media.options import FilmOptions
from dreamflow.media.stills.decoded_picture import linear_to_srgb


def find_input_coding(options: FilmOptions) -> Coding | None:
    """Return the coding that the options name for a source; None where its file says it.

    Raises:
        SettingsError: There is no space of this name.
        DependencyError: OpenColorIO is not installed.
    """
    if options.input_space is None:
        return None
    return find_coding(options.input_space, "input_space", options.working_space or "")


def read_in_space(picture: DeepPicture, coding: Coding | None) -> DeepPicture:
    """Return a picture whose numbers stand for light as a coding has it, and its proxy of that.

    Args:
        picture: The picture.
        coding: The coding; None leaves it as it is.
    """
    if coding is None:
        return picture
    original = picture.original.read_as(coding)
    whole = original.over_frame()
    shares = whole.pixels.astype(np.float32) / np.float32(whole.white)
    if whole.alpha is not None and whole.is_premultiplied:
        opacity = np.nan_to_num(whole.alpha.astype(np.float32))
        shares = shares / np.where(opacity > 0, opacity, 1)[..., None]
    shares = np.nan_to_num(shares, nan=0, posinf=1, neginf=0)
    return picture._replace(proxy=_show(shares, coding), original=original)


def _show(shares: np.ndarray, coding: Coding) -> np.ndarray:
    """Return (H, W, 3) numbers of a coding as 8-bit RGB of SDR BT.709."""
    if coding == SDR_CODING:
        return np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8)
    if coding.transfer in ("PQ", "HLG"):
        codes = np.rint(np.clip(shares, 0, 1) * 65535).astype(np.uint16)
        return HdrTransfer(H273_BT2020, coding.transfer, coding.peak_nits).to_sdr(codes)
    light = SDR_CODING.convert_light(coding.decode_light(shares), coding)
    return np.rint(linear_to_srgb(np.clip(light, 0, 1)) * 255).astype(np.uint8)
