"""Light of other screens brought to SDR BT.709: tone mapping of HDR, and wider primaries.

HDR is taken as a screen of its standard would show it, in nits (candela a square metre), and its
luma is brought to what an SDR screen can show. Sources: ITU-R BT.2100-2 (PQ, HLG and its system
gamma), BT.2446-1 method A (the tone curve, and colours with it), BT.1886 (an SDR screen's gamma).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from dreamflow.core.opencv import cv2

D65_WHITE_XY = (0.3127, 0.3290)
"""Chromaticity of D65, the white of all these primaries."""
PRIMARIES_XY_BY_H273 = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
"""Chromaticities of red, green and blue, by the numbers of ITU-T H.273: BT.709, BT.2020, P3."""
H273_BT709, H273_BT2020 = 1, 9
HDR_TRANSFER_BY_H273 = {16: "PQ", 18: "HLG"}
"""Transfer characteristics of ITU-T H.273 that stand for high dynamic range."""
DISPLAY_GAMMA = 2.4
SDR_PEAK_NITS = 100.0
HLG_PEAK_NITS = 1000.0
HLG_SYSTEM_GAMMA = 1.2
DEFAULT_PQ_PEAK_NITS = 1000.0
"""Of PQ film that does not say how bright it gets."""
PQ_MAX_NITS = 10_000.0
LUT_ENTRIES = 8192
"""Entries of the tables that stand in for powers and logarithms."""
STRIP_ROWS = 16


def pq_to_nits(signal: np.ndarray | float) -> np.ndarray:
    """Return the light of a PQ signal, 0 to 1, in nits (SMPTE ST 2084; BT.2100-2, table 4)."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    root = np.asarray(signal, np.float64) ** (1 / m2)
    return PQ_MAX_NITS * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)


def hlg_to_scene_light(signal: np.ndarray | float) -> np.ndarray:
    """Return the scene's light, 0 to 1, of an HLG signal (BT.2100-2, table 5)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    signal = np.asarray(signal, np.float64)
    return np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)


def tone_map_luma(luma: np.ndarray, peak_nits: float) -> np.ndarray:
    """Return the SDR luma of HDR luma, both 0 to 1 and coded with gamma 2.4 (BT.2446-1, 4.2).

    peak: nits of HDR luma 1.
    """
    bright, dark = (
        1 + 32 * (nits / PQ_MAX_NITS) ** (1 / DISPLAY_GAMMA) for nits in (peak_nits, SDR_PEAK_NITS)
    )
    seen = np.log1p((bright - 1) * luma) / np.log(bright)
    middle = -1.1510 * seen**2 + 2.7811 * seen - 0.6302
    bent = np.where(seen <= 0.7399, 1.0770 * seen, np.where(seen < 0.9909, middle, (seen + 1) / 2))
    return (dark**bent - 1) / (dark - 1)


def rgb_to_xyz_matrix(primaries: int) -> np.ndarray:
    """Return the float64 (3, 3) matrix from linear RGB of these primaries to XYZ (SMPTE RP 177)."""
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in PRIMARIES_XY_BY_H273[primaries]]).T
    x, y = D65_WHITE_XY
    return columns * np.linalg.solve(columns, [x / y, 1, (1 - x - y) / y])


@dataclass(frozen=True)
class HdrTransfer:
    """Light that is not SDR BT.709's. primaries: a key of PRIMARIES. transfer: "PQ", "HLG" or
    "SDR". peak: the brightest that PQ film claims to be, in nits.
    """

    primaries: int
    transfer: str = "SDR"
    peak_nits: float = DEFAULT_PQ_PEAK_NITS

    @property
    def is_hdr(self) -> bool:
        """Whether it is high dynamic range."""
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
        """SDR luma of HDR luma."""
        peak = HLG_PEAK_NITS if self.transfer == "HLG" else self.peak_nits
        return tone_map_luma(np.linspace(0, 1, LUT_ENTRIES), peak).astype(np.float32)

    def to_sdr(self, picture: np.ndarray, white_code: int = 65535) -> np.ndarray:
        """Return a uint16 (H, W, 3) RGB picture of this light as uint8 RGB of SDR BT.709.

        white: code of the full signal.
        """
        result = np.empty(picture.shape, np.uint8)
        for top in range(0, len(picture), STRIP_ROWS):  # small enough to stay in the CPU's cache
            strip = slice(top, top + STRIP_ROWS)
            result[strip] = self._strip_to_sdr(picture[strip], white_code)
        return result

    def _strip_to_sdr(self, picture: np.ndarray, white_code: int) -> np.ndarray:
        coded = build_gamma24_lut(self, white_code)[picture]
        if self.transfer == "HLG":
            scene = cv2.transform(coded**DISPLAY_GAMMA, self._luma_weights)
            coded *= (scene ** ((HLG_SYSTEM_GAMMA - 1) / DISPLAY_GAMMA))[..., None]
        if self.is_hdr:
            luma = cv2.transform(coded, self._luma_weights)
            tone = self._tone_curve[_lut_index(luma)]
            share = tone / (1.1 * np.maximum(luma, 1e-6))
            coded = share[..., None] * (coded - luma[..., None])
            # Saturated red is brought down a little, as the recommendation has it.
            coded += (tone - np.maximum(0.1 / 1.4746 * coded[..., 0], 0))[..., None]
        linear = GAMMA24_TO_LINEAR_LUT[_lut_index(np.clip(coded, 0, 1))]
        return SQRT_LINEAR_TO_SDR_CODE_LUT[
            _lut_index(np.sqrt(np.clip(cv2.transform(linear, self._to_bt709_matrix), 0, 1)))
        ]


@lru_cache(maxsize=4)
def build_gamma24_lut(hdr_transfer: HdrTransfer, white_code: int) -> np.ndarray:
    """Return what each 16-bit code stands for: light of the scene (HLG) or screen, as gamma 2.4."""
    signal = np.minimum(np.arange(65536) / white_code, 1)
    if hdr_transfer.transfer == "HLG":
        signal = hlg_to_scene_light(signal) ** (1 / DISPLAY_GAMMA)
    elif hdr_transfer.transfer == "PQ":
        signal = np.minimum(pq_to_nits(signal) / hdr_transfer.peak_nits, 1) ** (1 / DISPLAY_GAMMA)
    return signal.astype(np.float32)


def _lut_index(share: np.ndarray) -> np.ndarray:
    return (share * (LUT_ENTRIES - 1) + 0.5).astype(np.int32)


GAMMA24_TO_LINEAR_LUT = (np.linspace(0, 1, LUT_ENTRIES) ** DISPLAY_GAMMA).astype(np.float32)
"""Light of a gamma 2.4 code."""
SQRT_LINEAR_TO_SDR_CODE_LUT = (
    (255 * np.linspace(0, 1, LUT_ENTRIES) ** (2 / DISPLAY_GAMMA)).round().astype(np.uint8)
)
"""8-bit code of light, by its square root."""
