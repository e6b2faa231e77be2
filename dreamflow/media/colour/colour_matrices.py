"""Colour matrices that swscale does not know: YCgCo, ICtCp, constant luminance, by primaries.

Formulas and codes are those of ITU-T H.273, 8.3 and table 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np

from dreamflow.media.colour.hdr_tone_mapping import (
    PRIMARIES_XY_BY_H273,
    hlg_to_scene_light,
    pq_to_nits,
)
from dreamflow.media.colour.primaries import BT709_PRIMARIES_XY, primaries_to_xyz_matrix

YCGCO, BT2020_CL, DERIVED_NCL, DERIVED_CL, ICTCP = 8, 10, 12, 13, 14
OWN_MATRICES = frozenset({YCGCO, BT2020_CL, DERIVED_NCL, DERIVED_CL, ICTCP})
"""Codes of the matrices that are converted here."""
UNSUPPORTED_MATRICES = {11: "Y'D'zD'x", 15: "IPT-PQ-C2", 16: "YCgCo-Re", 17: "YCgCo-Ro"}
"""Names of the matrices that are not converted, by code."""
BT601_PRIMARIES_XY = {
    5: ((0.640, 0.330), (0.290, 0.600), (0.150, 0.060)),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
}
"""CIE 1931 chromaticities of BT.601's primaries, 625 and 525 lines, by code (table 2)."""
ICTCP_FROM_LMS = {
    "PQ": ((2048, 2048, 0), (6610, -13613, 7003), (17933, -17390, -543)),
    "HLG": ((2048, 2048, 0), (3625, -7465, 3840), (9500, -9212, -288)),
}
"""4096 times the matrix from coded LMS to ICtCp, by transfer function (BT.2100-2, table 7)."""
LMS_FROM_RGB = ((1688, 2146, 262), (683, 2951, 462), (99, 309, 3688))
"""4096 times the matrix from linear BT.2020 RGB to LMS (BT.2100-2, table 7)."""
CURVE_ENTRIES = 4096
"""Entries of a transfer function's table, which is interpolated."""


@dataclass(frozen=True)
class OwnMatrix:
    """A colour matrix with the primaries and the transfer function that it depends on.

    Attributes:
        code: One of OWN_MATRICES.
        primaries: Code of the primaries, table 2.
        transfer: "PQ", "HLG" or "SDR".
    """

    code: int
    primaries: int
    transfer: str

    def to_rgb(self, ycc: np.ndarray) -> np.ndarray:
        """Return coded RGB, nominally 0 to 1, of (H, W, 3) Y' 0 to 1 and C -0.5 to 0.5."""
        if self.code == YCGCO:
            y, cg, co = (ycc[..., n] for n in range(3))
            return np.stack([y - cg + co, y + cg, y - cg - co], axis=-1)
        if self.code == DERIVED_NCL:
            return self._non_constant_luminance(ycc)
        return self._ictcp(ycc) if self.code == ICTCP else self._constant_luminance(ycc)

    @property
    def limited_chroma_span(self) -> int:
        """8-bit levels from the lowest to the highest colour difference in limited range.

        YCgCo is computed from RGB that is already in limited range, 219 levels.
        """
        return 219 if self.code == YCGCO else 224

    @cached_property
    def _luma_weights(self) -> tuple[float, float, float]:
        """Share of red, green and blue in the luminance of white."""
        if self.code == BT2020_CL:
            return 0.2627, 0.6780, 0.0593
        xy = {**BT601_PRIMARIES_XY, **PRIMARIES_XY_BY_H273}
        weights = primaries_to_xyz_matrix(xy.get(self.primaries, BT709_PRIMARIES_XY))[1]
        return float(weights[0]), float(weights[1]), float(weights[2])

    def _non_constant_luminance(self, ycc: np.ndarray) -> np.ndarray:
        kr, kg, kb = self._luma_weights
        y = ycc[..., 0]
        red, blue = y + 2 * (1 - kr) * ycc[..., 2], y + 2 * (1 - kb) * ycc[..., 1]
        return np.stack([red, (y - kr * red - kb * blue) / kg, blue], axis=-1)

    def _constant_luminance(self, ycc: np.ndarray) -> np.ndarray:
        kr, kg, kb = self._luma_weights
        y = ycc[..., 0]

        def primary(difference: np.ndarray, weight: float) -> np.ndarray:
            low, high = self._encode(np.array([1 - weight, weight]))
            scale = cast(np.ndarray, np.where(difference <= 0, 2 * low, 2 * (1 - high)))
            return y + difference * scale

        red, blue = primary(ycc[..., 2], kr), primary(ycc[..., 1], kb)
        luminance = self._decode(y) - kr * self._decode(red) - kb * self._decode(blue)
        return np.stack([red, self._encode(luminance / kg), blue], axis=-1)

    def _ictcp(self, ycc: np.ndarray) -> np.ndarray:
        transfer = "HLG" if self.transfer == "HLG" else "PQ"
        to_lms = np.linalg.inv(np.array(ICTCP_FROM_LMS[transfer]) / 4096)
        to_rgb = np.linalg.inv(np.array(LMS_FROM_RGB) / 4096)
        return self._encode(self._decode(ycc @ to_lms.T) @ to_rgb.T)

    @cached_property
    def _curve(self) -> tuple[np.ndarray, np.ndarray]:
        """Coded values, 0 to 1, and the light of each, 0 to 1."""
        coded = np.linspace(0, 1, CURVE_ENTRIES)
        if self.transfer == "PQ" or (self.transfer == "SDR" and self.code == ICTCP):
            return coded, pq_to_nits(coded) / 10_000
        if self.transfer == "HLG":
            return coded, hlg_to_scene_light(coded)
        linear = np.where(coded < 0.081, coded / 4.5, ((coded + 0.0993) / 1.0993) ** (1 / 0.45))
        return coded, linear

    def _decode(self, coded: np.ndarray) -> np.ndarray:
        return np.interp(coded, *self._curve)

    def _encode(self, light: np.ndarray) -> np.ndarray:
        coded, linear = self._curve
        return np.interp(light, linear, coded)
