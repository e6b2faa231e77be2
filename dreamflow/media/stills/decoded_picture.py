"""A picture as it is decoded, and its way to 8-bit RGB for a display."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from dreamflow.core.opencv import cv2
from dreamflow.media.colour.premultiplied import is_premultiplied

LEVELS_16_PER_8_BIT = 257.0
"""16-bit levels that make one 8-bit level: 65535 / 255."""
TRANSPARENCY_NOTE = "its transparency is laid over black"
CLIPPED_NOTE = "light brighter than white is clipped"
CLIPPED_SHARE = 1e-3
"""Share of a picture's pixels brighter than white from which on a warning tells of them."""
SRGB_LINEAR_END = 0.0031308
"""Linear light up to which sRGB is a straight line (IEC 61966-2-1)."""

SRGB_CODE_LINEAR_END = 0.04045
"""Code, of full scale, up to which sRGB is a straight line (IEC 61966-2-1)."""


@dataclass(frozen=True)
class DecodedPicture:
    """A picture, upright, with sRGB's primaries.

    Attributes:
        pixels: (H, W, 3) RGB: uint8 or uint16, coded as sRGB, or float32 linear light, where 1 is
            white.
        alpha: (H, W), from 0 (transparent) to 255 as uint8, or to 1 as float32; None where all is
            opaque.
        is_premultiplied: Whether the colours are multiplied by alpha: laid over black already.
        notes: What the conversion lost or assumed, such as "its colour profile is damaged".
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    is_premultiplied: bool = False
    notes: tuple[str, ...] = ()

    def associated(self, alpha: str) -> DecodedPicture:
        """Return the picture with its colours taken as the setting `alpha` says."""
        return replace(self, is_premultiplied=is_premultiplied(alpha, self.is_premultiplied))

    def over_black(self) -> DecodedPicture:
        """Return the picture as it is displayed over black, opaque."""
        if self.alpha is None:
            return self
        notes = (*self.notes, TRANSPARENCY_NOTE)
        if self.is_premultiplied:
            return DecodedPicture(self.pixels, notes=notes)
        return DecodedPicture(self._to_samples(self.pixels * _opacity(self.alpha)), notes=notes)

    def unpremultiplied(self) -> DecodedPicture:
        """Return the picture with the colours that it has where it is opaque."""
        if self.alpha is None or not self.is_premultiplied:
            return self
        opacity = _opacity(self.alpha)
        pixels = self._to_samples(self.pixels / np.where(opacity > 0, opacity, 1))
        return DecodedPicture(pixels, self.alpha, notes=self.notes)

    def _to_samples(self, pixels: np.ndarray) -> np.ndarray:
        kind = self.pixels.dtype
        if kind.kind == "u":
            pixels = np.rint(np.minimum(pixels, np.iinfo(kind).max))
        return pixels.astype(kind)

    def to_rgb8(self) -> tuple[np.ndarray, tuple[str, ...]]:
        """Return the colours as (H, W, 3) uint8 RGB, coded as sRGB, and what was lost."""
        if self.pixels.dtype == np.uint8:
            return np.ascontiguousarray(self.pixels), self.notes
        if self.pixels.dtype == np.uint16:
            return np.rint(self.pixels / LEVELS_16_PER_8_BIT).astype(np.uint8), self.notes
        light = np.where(np.isnan(self.pixels), 0, self.pixels)
        is_clipped = float((light.max(axis=2) > 1).mean()) > CLIPPED_SHARE
        notes = (*self.notes, CLIPPED_NOTE) if is_clipped else self.notes
        return np.rint(255 * linear_to_srgb(light)).astype(np.uint8), notes

    def levels8(self) -> np.ndarray:
        """Return the numbers that the file holds as (H, W, 3) uint8, 1 being 255.

        For pictures that are data, such as a matte, whose 0.5 is half.
        """
        if self.pixels.dtype.kind == "u":
            return self.to_rgb8()[0]
        shares = np.clip(np.nan_to_num(self.pixels, nan=0.0), 0, 1)
        return np.rint(255 * shares).astype(np.uint8)

    def alpha8(self) -> np.ndarray | None:
        """Return the alpha as (H, W) uint8, or None where all is opaque."""
        if self.alpha is None or self.alpha.dtype == np.uint8:
            return self.alpha
        return np.rint(255 * np.clip(self.alpha, 0, 1)).astype(np.uint8)


def _opacity(alpha: np.ndarray) -> np.ndarray:
    """Return alpha as (H, W, 1), 0 to 1."""
    return (alpha.astype(np.float32) / 255 if alpha.dtype == np.uint8 else alpha)[..., None]


def linear_to_srgb(light: np.ndarray) -> np.ndarray:
    """Return linear light, clipped to [0, 1], coded as sRGB, float32 (IEC 61966-2-1)."""
    light = np.clip(light, 0, 1, dtype=np.float32)
    curve = 1.055 * cv2.pow(light, 1 / 2.4) - 0.055
    return np.where(light <= SRGB_LINEAR_END, 12.92 * light, curve)


def srgb_to_linear(code: np.ndarray) -> np.ndarray:
    """Return the linear light of sRGB codes in [0, 1], float32 (IEC 61966-2-1)."""
    curve = cv2.pow((code.astype(np.float32) + 0.055) / 1.055, 2.4)
    return np.where(code <= SRGB_CODE_LINEAR_END, code / 12.92, curve).astype(np.float32)


def grey_to_rgb(grey: np.ndarray) -> np.ndarray:
    """Return (H, W) as (H, W, 3)."""
    return np.repeat(grey[..., None], 3, axis=2)
