"""HDR and wide-gamut pictures as SDR BT.709: transfer functions, tone mapping, primaries.

HDR signals are decoded to the light of a display of their standard, in nits (cd/m²), and their
luma is compressed to the range of an SDR display. Sources: ITU-R BT.2100-2 (PQ, HLG and its system
gamma), BT.2446-1 method A (tone curve and its colour correction), BT.1886 (gamma of SDR displays).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from dreamflow.media.colour.primaries import BT709_PRIMARIES_XY, primaries_to_xyz_matrix

PRIMARIES_XY_BY_H273 = {
    1: BT709_PRIMARIES_XY,
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
"""CIE 1931 chromaticities of red, green and blue of BT.709, BT.2020 and Display P3, by their code
in ITU-T H.273, table 2."""
H273_BT709, H273_BT2020 = 1, 9
HDR_TRANSFER_BY_H273 = {16: "PQ", 18: "HLG"}
"""Names of the HDR transfer characteristics, by their code in ITU-T H.273, table 3."""
DISPLAY_GAMMA = 2.4
"""Exponent of an SDR display, light = code ** 2.4 (BT.1886), and of BT.2446's coded luma."""
SDR_PEAK_NITS = 100.0
"""Brightness of an SDR display's white (BT.2446-1, 4)."""
HLG_PEAK_NITS = 1000.0
"""Nominal peak brightness of an HLG display (BT.2100-2, table 5)."""
HLG_SYSTEM_GAMMA = 1.2
"""Exponent of scene luminance in display light, for a peak of 1000 nits (BT.2100-2, table 5)."""
DEFAULT_PQ_PEAK_NITS = 1000.0
"""Assumed peak brightness of a PQ video without metadata: the usual mastering display."""
PQ_MAX_NITS = 10_000.0
"""Brightness of PQ signal 1 (SMPTE ST 2084)."""
LUT_ENTRIES = 8192
"""Entries of the lookup tables of powers and logarithms: finer than the step of 8-bit levels."""
STRIP_ROWS = 16
"""Rows converted at a time, so that the working set stays in the CPU's cache."""


def pq_to_nits(signal: np.ndarray | float) -> np.ndarray:
    """Return the light of a PQ signal, 0 to 1, in nits (SMPTE ST 2084; BT.2100-2, table 4)."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    root = np.asarray(signal, np.float64) ** (1 / m2)
    return PQ_MAX_NITS * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)


def hlg_to_scene_light(signal: np.ndarray | float) -> np.ndarray:
    """Return the scene light, 0 to 1, of an HLG signal, 0 to 1 (BT.2100-2, table 5)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    signal = np.asarray(signal, np.float64)
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)


def tone_map_luma(luma: np.ndarray, peak_nits: float) -> np.ndarray:
    """Map HDR luma to SDR luma by the tone curve of BT.2446-1, method A (4.2).

    Args:
        luma: HDR luma, 0 to 1, coded with gamma 2.4.
        peak_nits: Brightness of luma 1.

    Returns:
        SDR luma, 0 to 1, coded with gamma 2.4.
    """
    rho_hdr, rho_sdr = (
        1 + 32 * (nits / PQ_MAX_NITS) ** (1 / DISPLAY_GAMMA) for nits in (peak_nits, SDR_PEAK_NITS)
    )
    perceived = np.log1p((rho_hdr - 1) * luma) / np.log(rho_hdr)
    knee: np.ndarray = -1.1510 * perceived**2 + 2.7811 * perceived - 0.6302
    compressed: np.ndarray = np.where(
        perceived <= 0.7399,
        1.0770 * perceived,
        np.where(perceived < 0.9909, knee, (perceived + 1) / 2),
    )
    return (rho_sdr**compressed - 1) / (rho_sdr - 1)


def rgb_to_xyz_matrix(primaries: int) -> np.ndarray:
    """Return the float64 (3, 3) matrix from linear RGB to CIE XYZ (SMPTE RP 177).

    Args:
        primaries: A key of PRIMARIES_XY_BY_H273.
    """
    return primaries_to_xyz_matrix(PRIMARIES_XY_BY_H273[primaries])


@dataclass(frozen=True)
class HdrTransfer:
    """Transfer function and primaries of a video that is not SDR BT.709.

    Attributes:
        primaries: A key of PRIMARIES_XY_BY_H273.
        transfer: "PQ", "HLG" or "SDR".
        peak_nits: Brightest light that a PQ video claims to hold.
    """

    primaries: int
    transfer: str = "SDR"
    peak_nits: float = DEFAULT_PQ_PEAK_NITS

    @property
    def is_hdr(self) -> bool:
        """Whether the dynamic range is high; otherwise only the gamut is wide."""
        return self.transfer != "SDR"

    @cached_property
    def _luma_weights(self) -> np.ndarray:
        return rgb_to_xyz_matrix(self.primaries)[1:2].astype(np.float32)

    @cached_property
    def _to_bt709_matrix(self) -> np.ndarray:
        return (
            np.linalg.inv(rgb_to_xyz_matrix(H273_BT709)) @ rgb_to_xyz_matrix(self.primaries)
        ).astype(np.float32)

    @cached_property
    def _tone_curve(self) -> np.ndarray:
        """SDR luma by HDR luma, float32 (LUT_ENTRIES,)."""
        peak = HLG_PEAK_NITS if self.transfer == "HLG" else self.peak_nits
        return tone_map_luma(np.linspace(0, 1, LUT_ENTRIES), peak).astype(np.float32)

    def to_sdr(self, picture: np.ndarray, white_code: int = 65535) -> np.ndarray:
        """Convert a picture to SDR BT.709.

        Args:
            picture: (H, W, 3) uint16 RGB with this transfer function and these primaries.
            white_code: Code value of signal 1.

        Returns:
            (H, W, 3) uint8 RGB.
        """
        result = np.empty(picture.shape, np.uint8)
        for top in range(0, len(picture), STRIP_ROWS):
            strip = slice(top, top + STRIP_ROWS)
            result[strip] = self._strip_to_sdr(picture[strip], white_code)
        return result

    def _strip_to_sdr(self, picture: np.ndarray, white_code: int) -> np.ndarray:
        from dreamflow.core.opencv import cv2  # loaded for HDR alone: probing must begin at once

        coded = build_gamma24_lut(self, white_code)[picture]
        if self.transfer == "HLG":
            scene = cv2.transform(coded**DISPLAY_GAMMA, self._luma_weights)
            coded *= (scene ** ((HLG_SYSTEM_GAMMA - 1) / DISPLAY_GAMMA))[..., None]
        if self.is_hdr:
            luma = cv2.transform(coded, self._luma_weights)
            tone = self._tone_curve[_lut_index(luma)]
            # BT.2446-1, method A: colour differences scale with the tone curve, over 1.1, and red
            # differences lower the luma.
            share = tone / (1.1 * np.maximum(luma, 1e-6))
            coded = share[..., None] * (coded - luma[..., None])
            coded += (tone - np.maximum(0.1 / 1.4746 * coded[..., 0], 0))[..., None]
        linear = GAMMA24_TO_LINEAR_LUT[_lut_index(np.clip(coded, 0, 1))]
        return SQRT_LINEAR_TO_SDR_CODE_LUT[
            _lut_index(np.sqrt(np.clip(cv2.transform(linear, self._to_bt709_matrix), 0, 1)))
        ]


@lru_cache(maxsize=4)
def build_gamma24_lut(hdr_transfer: HdrTransfer, white_code: int) -> np.ndarray:
    """Return the light of each 16-bit code, coded with gamma 2.4: float32 (65536,), 0 to 1.

    It is scene light for HLG, and display light, relative to the video's peak, for PQ.
    """
    signal = np.minimum(np.arange(65536) / white_code, 1)
    if hdr_transfer.transfer == "HLG":
        signal = hlg_to_scene_light(signal) ** (1 / DISPLAY_GAMMA)
    elif hdr_transfer.transfer == "PQ":
        signal = np.minimum(pq_to_nits(signal) / hdr_transfer.peak_nits, 1) ** (1 / DISPLAY_GAMMA)
    return signal.astype(np.float32)


def _lut_index(share: np.ndarray) -> np.ndarray:
    return (share * (LUT_ENTRIES - 1) + 0.5).astype(np.int32)


GAMMA24_TO_LINEAR_LUT = (np.linspace(0, 1, LUT_ENTRIES) ** DISPLAY_GAMMA).astype(np.float32)
"""Linear light by gamma 2.4 code, 0 to 1."""
SQRT_LINEAR_TO_SDR_CODE_LUT = (
    (255 * np.linspace(0, 1, LUT_ENTRIES) ** (2 / DISPLAY_GAMMA)).round().astype(np.uint8)
)
"""8-bit gamma 2.4 code by the square root of linear light, which spaces dark entries closely."""
