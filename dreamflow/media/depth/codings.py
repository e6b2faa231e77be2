"""How a source's numbers stand for light, and what a change of the picture is in those numbers.

A dream is made of a display picture: 8-bit RGB of SDR BT.709, the *proxy*. What it changes there is
added to the source in the source's own coding:

    result = source + E(dream) - E(proxy)

E is the way back from the proxy to the source's coding: the primaries of the source, the inverse of
the tone mapping, the source's transfer function. Where dream and proxy are equal, nothing is added.
Linear light is added through a shaper, see `shape_light`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dreamflow.core.opencv import cv2
from dreamflow.media.colour.hdr_tone_mapping import (
    DISPLAY_GAMMA,
    HLG_PEAK_NITS,
    HLG_SYSTEM_GAMMA,
    PQ_MAX_NITS,
    hlg_to_scene_light,
    pq_to_nits,
    tone_map_luma,
)
from dreamflow.media.colour.primaries import (
    BT709_PRIMARIES_XY,
    D65_WHITE_XY,
    Chromaticity,
    find_matrix_to_bt709,
    primaries_to_xyz_matrix,
)
from dreamflow.media.stills.decoded_picture import linear_to_srgb, srgb_to_linear

SDR_WHITE_NITS = 203.0
"""Light of HDR signals that becomes 1 in linear pictures: the white of SDR in HDR (BT.2408)."""
SHAPER_TOE = 0.02
"""Linear light below which the shaper is a straight line, roughly: a ninth of mid-grey."""
RED_SHARE_OF_TONE = 0.1 / 1.4746
"""By how much of R' - Y' tone mapping lowers luma (BT.2446-1, 4.4)."""
CURVE_ENTRIES = 4096
"""Entries of the inverse tone curve, which is interpolated."""


def shape_light(light: np.ndarray) -> np.ndarray:
    """Return linear light in the log-like space that dreams are added in, float32.

    S(x) = asinh(x / 0.02), for all numbers: a straight line around 0, a logarithm above and below.
    So a change of the display picture becomes a factor in bright places, however bright they are.
    """
    return np.arcsinh(light.astype(np.float32) / np.float32(SHAPER_TOE))


def unshape_light(shaped: np.ndarray) -> np.ndarray:
    """Return linear light of what `shape_light` returned: x = 0.02 sinh(S), its exact inverse."""
    return np.float32(SHAPER_TOE) * np.sinh(shaped)


def linear_to_pq(light: np.ndarray) -> np.ndarray:
    """Return the PQ signal of light in shares of 10,000 nits, float32 (SMPTE ST 2084)."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    root = np.asarray(light, np.float32) ** np.float32(m1)
    return ((c1 + c2 * root) / (1 + c3 * root)) ** np.float32(m2)


def scene_light_to_hlg(light: np.ndarray) -> np.ndarray:
    """Return the HLG signal, 0 to 1, of scene light, 0 to 1, float32 (BT.2100-2, table 5)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    light = np.asarray(light, np.float32)
    logarithm = a * np.log(np.maximum(12 * light - b, 1e-6)) + c
    return np.where(light <= 1 / 12, np.sqrt(3 * light), logarithm).astype(np.float32)


@dataclass(frozen=True)
class Coding:
    """How a source's numbers stand for light.

    Attributes:
        transfer: "SDR" (coded for a display), "PQ", "HLG" or "linear".
        primaries: CIE 1931 chromaticities of red, green and blue.
        white: That of white.
        peak_nits: Of PQ, the brightest light that the source claims to hold.
    """

    transfer: str = "SDR"
    primaries: tuple[Chromaticity, ...] = BT709_PRIMARIES_XY
    white: Chromaticity = D65_WHITE_XY
    peak_nits: float = HLG_PEAK_NITS

    @cached_property
    def from_bt709(self) -> np.ndarray | None:
        """Matrix from linear BT.709 to the primaries, float32 (3, 3); None where they are equal."""
        to_bt709 = find_matrix_to_bt709(self.primaries, self.white)
        if to_bt709 is None:
            return None
        return np.linalg.inv(to_bt709.astype(np.float64)).astype(np.float32)

    @cached_property
    def _inverse_tone_curve(self) -> tuple[np.ndarray, np.ndarray]:
        """SDR codes, and the HDR code of each, relative to the peak; both of gamma 2.4."""
        hdr = np.linspace(0, 1, CURVE_ENTRIES)
        peak = self.peak_nits if self.transfer == "PQ" else HLG_PEAK_NITS
        return tone_map_luma(hdr, peak), hdr

    def encode(self, codes: np.ndarray) -> np.ndarray:
        """Return what colours of the proxy are in the space that a dream is added in: E.

        Args:
            codes: (..., 3) float32 RGB, 0 to 1: sRGB's codes for linear sources, else BT.709's.

        Returns:
            (..., 3) float32 RGB: signal of full scale 1, or shaped linear light.
        """
        if self.transfer == "linear":
            return shape_light(self._to_primaries(srgb_to_linear(codes)))
        if self.transfer == "SDR" and self.from_bt709 is None:
            return codes
        light = self._to_primaries(np.maximum(codes, 0) ** np.float32(DISPLAY_GAMMA))
        sdr = np.clip(light, 0, 1) ** np.float32(1 / DISPLAY_GAMMA)
        if self.transfer == "SDR":
            return sdr
        display = self._undo_tone_mapping(sdr) ** np.float32(DISPLAY_GAMMA)
        if self.transfer == "PQ":
            return linear_to_pq(display * np.float32(self.peak_nits / PQ_MAX_NITS))
        luminance = np.maximum(display @ self._luma_weights, 1e-6)[..., None]
        return scene_light_to_hlg(display * luminance ** np.float32(1 / HLG_SYSTEM_GAMMA - 1))

    def _undo_tone_mapping(self, sdr: np.ndarray) -> np.ndarray:
        """Return HDR of SDR, both RGB coded with gamma 2.4: the inverse of BT.2446-1, method A.

        Luma goes back through the tone curve, and colour differences by the same factor times 1.1.
        """
        luma = (sdr @ self._luma_weights)[..., None]
        differences = sdr - luma
        tone = luma + np.maximum(RED_SHARE_OF_TONE * differences[..., :1], 0)
        hdr_luma = np.interp(tone, *self._inverse_tone_curve).astype(np.float32)
        share = 1.1 * hdr_luma / np.maximum(tone, 1e-4)
        return np.clip(hdr_luma + share * differences, 0, 1)

    @cached_property
    def _luma_weights(self) -> np.ndarray:
        """Share of each primary in luminance, float32 (3,)."""
        return primaries_to_xyz_matrix(self.primaries, self.white)[1].astype(np.float32)

    def measure_change(self, residual: np.ndarray, proxy: np.ndarray) -> np.ndarray:
        """Return what a dream adds: E(proxy + residual) - E(proxy), and 0 where the residual is 0.

        Args:
            residual: (H, W, 3) float32, dream minus proxy, of full scale 1.
            proxy: (H, W, 3) uint8 RGB.

        Returns:
            (H, W, 3) float32, in the space of `encode`.
        """
        codes = proxy.astype(np.float32) / 255
        if self.transfer == "SDR" and self.from_bt709 is None:
            return np.clip(codes + residual, 0, 1) - codes
        change = self.encode(np.clip(codes + residual, 0, 1)) - self.encode(codes)
        change[(residual == 0).all(axis=2)] = 0
        return change

    def add(self, source: np.ndarray, change: np.ndarray) -> np.ndarray:
        """Return a source's numbers with a change, float32; the source's range is not enforced.

        Args:
            source: (H, W, 3) float32, signal of full scale 1, or linear light.
            change: What `measure_change` returned.
        """
        if self.transfer == "linear":
            return unshape_light(shape_light(source) + change)
        return source + change

    def decode_light(self, numbers: np.ndarray) -> np.ndarray:
        """Return linear light of the source's primaries; 1 is SDR's white, 203 nits of PQ.

        Args:
            numbers: (..., 3) float32, signal of full scale 1, or linear light.
        """
        if self.transfer == "linear":
            return numbers
        if self.transfer == "SDR":
            return srgb_to_linear(numbers)
        if self.transfer == "PQ":
            return (pq_to_nits(np.clip(numbers, 0, 1)) / SDR_WHITE_NITS).astype(np.float32)
        scene = hlg_to_scene_light(numbers)
        luminance = np.maximum(scene @ self._luma_weights, 0)[..., None] ** (HLG_SYSTEM_GAMMA - 1)
        return (scene * luminance * (HLG_PEAK_NITS / SDR_WHITE_NITS)).astype(np.float32)

    def encode_light(self, light: np.ndarray) -> np.ndarray:
        """Return the numbers that stand for linear light of the source's primaries, float32.

        It is the inverse of `decode_light`; signal ends at 0 and 1.
        """
        if self.transfer == "linear":
            return light
        if self.transfer == "SDR":
            return linear_to_srgb(np.clip(light, 0, 1))
        nits = np.maximum(light, 0) * np.float32(SDR_WHITE_NITS)
        if self.transfer == "PQ":
            return linear_to_pq(np.minimum(nits / np.float32(PQ_MAX_NITS), 1))
        display = np.minimum(nits / np.float32(HLG_PEAK_NITS), 1)
        luminance = np.maximum(display @ self._luma_weights, 1e-6)[..., None]
        return scene_light_to_hlg(display * luminance ** np.float32(1 / HLG_SYSTEM_GAMMA - 1))

    def convert_light(self, light: np.ndarray, other: Coding) -> np.ndarray:
        """Return linear light of another coding's primaries as that of this one's."""
        to_bt709 = find_matrix_to_bt709(other.primaries, other.white)
        if other.primaries == self.primaries and other.white == self.white:
            return light
        if to_bt709 is not None:
            light = cv2.transform(np.ascontiguousarray(light, np.float32), to_bt709)
        return self._to_primaries(light)

    def _to_primaries(self, light: np.ndarray) -> np.ndarray:
        if self.from_bt709 is None:
            return light
        return cv2.transform(np.ascontiguousarray(light, np.float32), self.from_bt709)


SDR_CODING, LINEAR_CODING = Coding(), Coding("linear")
