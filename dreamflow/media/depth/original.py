"""A source picture in its own depth, which a dream is added to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dreamflow.core.frames import Original
from dreamflow.media.colour.premultiplied import is_premultiplied
from dreamflow.media.depth.codings import SDR_CODING, Coding
from dreamflow.media.depth.film_samples import FilmSamples
from dreamflow.media.resize import resize_picture
from dreamflow.media.stills.decoded_picture import linear_to_srgb

COLOUR_TAGS = frozenset({"png", "icc", "chromaticities", "adoptedNeutral", "whiteLuminance"})
"""Tags that say what numbers mean, and not of those in another coding."""
BLEEDING_GAIN = 4.0
"""Alpha that a dream has beyond its source, by how much it changes, of full scale."""
NO_TAGS: Mapping[str, Any] = {}


@dataclass(frozen=True)
class PictureOriginal(Original):
    """A picture of RGB samples with all that its file says of them.

    Attributes:
        pixels: (H, W, 3) uint8, uint16, float16 or float32 RGB, as the file has them.
        coding: How the numbers stand for light.
        alpha: (H, W) of the same type, or None where the file has none.
        is_premultiplied: Whether the colours are multiplied by alpha.
        keeps_association: Whether they stay so, or straight, in formats that have it otherwise: the
            user says of the source what its own format does not.
        origin: (x, y) of the upper left pixel in the frame; not (0, 0) where an OpenEXR picture has
            a data window of its own, which may be larger than the frame.
        frame_size: (width, height) of the frame; None is the size of the pixels.
        tags: What the file says besides, by the names of its format.
        before: The picture before a dream was added; None where none was.
        wanted_layers: What the output holds besides the picture.
        planes: Further channels of the frame, (height, width) float32, by their full names.
        film: The same picture as the samples of a film, where the output holds these; else None.
        bleeds: Whether a dream shows beyond the picture's transparency, where alpha grows with it.
    """

    pixels: np.ndarray
    coding: Coding
    alpha: np.ndarray | None = None
    is_premultiplied: bool = False
    origin: tuple[int, int] = (0, 0)
    frame_size: tuple[int, int] | None = None
    tags: Mapping[str, Any] = field(default_factory=lambda: NO_TAGS)
    before: PictureOriginal | None = None
    wanted_layers: tuple[str, ...] = ()
    planes: Mapping[str, np.ndarray] = field(default_factory=lambda: NO_TAGS)
    film: FilmSamples | None = None
    bleeds: bool = False
    keeps_association: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the frame."""
        return self.frame_size or (self.pixels.shape[1], self.pixels.shape[0])

    @property
    def white(self) -> float:
        """The number that stands for full scale."""
        return float(np.iinfo(self.pixels.dtype).max) if self.pixels.dtype.kind == "u" else 1.0

    @property
    def source(self) -> PictureOriginal:
        """The picture without a dream."""
        return self.before or self

    def with_dream(self, residual: np.ndarray, proxy: np.ndarray) -> PictureOriginal:
        """Return the source with a dream added to it, see `media.depth.codings`.

        A dream that was added before is left out.

        A sample stays as it is, bit for bit, where nothing is added to it: where the residual is 0,
        where the picture is fully transparent, and where one of the pixel's numbers is none (NaN
        or infinity). Premultiplied colours take the dream in proportion to their alpha.

        Args:
            residual: (height, width, 3) float32, what the dream changes in the proxy, of full
                scale 1.
            proxy: (height, width, 3) uint8 RGB, the frame as it was dreamed.
        """
        before = self.source
        change = self._over_pixels(self.coding.measure_change(residual, proxy))
        source = before.pixels.astype(np.float32) / np.float32(self.white)
        kept, alpha, film = change == 0, before.alpha, before.film
        opacity = shown = np.ones((*source.shape[:2], 1), np.float32)
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            kept |= ~np.isfinite(source).all(axis=2, keepdims=True)
            if alpha is not None:
                opacity = shown = alpha[..., None].astype(np.float32) / np.float32(self.white)
            if alpha is not None and self.bleeds:
                shown = np.fmax(opacity, self._measure_bleeding(residual))
                kept &= shown == opacity
                grown = self._to_samples(shown)[..., 0]
                alpha = np.where((shown > opacity)[..., 0], grown, alpha)
                film = film and film.with_alpha(shown[..., 0], opacity[..., 0])
            kept |= ~(shown > 0)  # of no number, too
            if alpha is not None and self.is_premultiplied:
                straight = source / np.where(opacity > 0, opacity, 1)
                result = self.coding.add(straight, change)
                if self.pixels.dtype.kind == "u":  # as straight ones are held; glows stay
                    result = np.clip(result, np.minimum(straight, 0), np.maximum(straight, 1))
                result = result * shown
            else:
                result = self.coding.add(source, change)
            pixels = np.where(kept, before.pixels, self._to_samples(result))
            film = film and film.with_change(np.where(kept, 0, result - source))
        dreamed = replace(before, pixels=pixels, alpha=alpha, before=before)
        return replace(dreamed, planes=self.planes, film=film)

    def _measure_bleeding(self, residual: np.ndarray) -> np.ndarray:
        """Return the alpha that a dream has by itself: (H, W, 1) over the pixels, 0 to 1."""
        strongest = np.repeat(np.abs(residual).max(axis=2, keepdims=True), 3, axis=2)
        return np.minimum(BLEEDING_GAIN * self._over_pixels(strongest)[..., :1], 1)

    def with_planes(self, planes: Mapping[str, np.ndarray]) -> PictureOriginal:
        """Return the picture with further channels, those of the same names replaced."""
        return replace(self, planes={**self.planes, **planes})

    def measure_dream(self) -> np.ndarray:
        """Return what was added, (H, W, 3) of a float picture's type; 0 where no number is."""
        before = self.source.pixels
        if before is self.pixels:
            return np.zeros_like(self.pixels)
        with np.errstate(invalid="ignore", over="ignore"):
            added = self.pixels.astype(np.float32) - before.astype(np.float32)
        return _cast(np.where(np.isfinite(added), added, 0), self.pixels.dtype.type)

    def planes_over_pixels(self) -> dict[str, np.ndarray]:
        """Return the further channels over the pixels, (H, W); 0 outside of the frame."""
        return {
            name: self._over_pixels(np.repeat(plane[..., None], 3, axis=2))[..., 0]
            for name, plane in self.planes.items()
        }

    def _over_pixels(self, change: np.ndarray) -> np.ndarray:
        """Return a change of the frame as one of the pixels; it is 0 outside of the frame."""
        height, width = self.pixels.shape[:2]
        if self.origin == (0, 0) and change.shape[:2] == (height, width):
            return change
        x, y = self.origin
        moved = np.zeros((height, width, 3), np.float32)
        left, top = max(0, -x), max(0, -y)
        inside = change[max(0, y) : max(0, y + height), max(0, x) : max(0, x + width)]
        moved[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
        return moved

    def _to_samples(self, shares: np.ndarray) -> np.ndarray:
        """Return shares of full scale as samples of the picture's type, within its range."""
        kind = self.pixels.dtype
        if kind.kind == "u":
            scaled = np.clip(np.nan_to_num(shares), 0, 1) * np.float32(self.white)
            return np.rint(scaled).astype(kind)
        limit = float(np.finfo(kind).max)
        return np.clip(shares, -limit, limit).astype(kind)

    def blackened(self) -> PictureOriginal:
        """Return a picture of this kind that is black, and transparent where it has alpha."""
        alpha = None if self.alpha is None else np.zeros_like(self.alpha)
        return replace(self, pixels=np.zeros_like(self.pixels), alpha=alpha, before=None)

    def resized(self, width: int, height: int) -> PictureOriginal:
        """Return the picture at another size; what is no number becomes black."""
        if self.size == (width, height):
            return self
        whole = self.over_frame()
        pixels, alpha = _resize(whole.pixels, width, height), whole.alpha
        return replace(
            whole,
            pixels=pixels,
            alpha=None if alpha is None else _resize(alpha, width, height),
            frame_size=None,
            film=self.film and self.film.resized(width, height),
        )

    def over_frame(self) -> PictureOriginal:
        """Return the part of the picture within the frame, black and transparent where it ends."""
        if self.origin == (0, 0) and self.size == self.pixels.shape[1::-1]:
            return self
        width, height = self.size
        x, y = self.origin
        rows, columns = self.pixels.shape[:2]

        def fit(samples: np.ndarray) -> np.ndarray:
            fitted = np.zeros((height, width, *samples.shape[2:]), samples.dtype)
            inside = samples[max(0, -y) : max(0, height - y), max(0, -x) : max(0, width - x)]
            if x < width and y < height and x + columns > 0 and y + rows > 0:
                top, left = max(0, y), max(0, x)
                fitted[top : top + inside.shape[0], left : left + inside.shape[1]] = inside
            return fitted

        alpha = None if self.alpha is None else fit(self.alpha)
        return replace(
            self, pixels=fit(self.pixels), alpha=alpha, origin=(0, 0), frame_size=None, before=None
        )

    def as_linear(self, kind: type[np.floating]) -> PictureOriginal:
        """Return the picture as premultiplied linear light, as OpenEXR pictures are.

        Args:
            kind: float16 or float32, for a picture that is not linear yet.
        """
        if self.pixels.dtype.kind == "f":
            return self
        shares = self.pixels.astype(np.float32) / np.float32(self.white)
        alpha = None
        if self.alpha is not None:
            alpha = (self.alpha.astype(np.float32) / np.float32(self.white)).astype(kind)
            if self.is_premultiplied:  # the codes, not the light
                shares = np.minimum(shares / np.where(alpha > 0, alpha, 1)[..., None], 1)
        light = self.coding.decode_light(shares)
        light = light if alpha is None else light * alpha[..., None]
        coding = Coding("linear", self.coding.primaries, self.coding.white)
        return PictureOriginal(
            light.astype(kind), coding, alpha, True, self.origin, self.frame_size
        )

    def associated(self, alpha: str) -> PictureOriginal:
        """Return the picture with its colours taken as the setting `alpha` says."""
        is_multiplied = is_premultiplied(alpha, self.is_premultiplied)
        if is_multiplied == self.is_premultiplied:
            return self
        return replace(self, is_premultiplied=is_multiplied, keeps_association=True)

    def read_as(self, coding: Coding) -> PictureOriginal:
        """Return the picture with its numbers standing for light in another way."""
        return replace(self, coding=coding)

    def converted(self, coding: Coding, kind: type[np.floating] | None) -> PictureOriginal:
        """Return the picture with its light in another coding, over the same window.

        Args:
            coding: The coding.
            kind: float16 or float32, premultiplied; None is 16 bits, straight.
        """

        def store(samples: np.ndarray) -> np.ndarray:
            return _to_16_bit(samples) if kind is None else _cast(samples, kind)

        shares = self.pixels.astype(np.float32) / np.float32(self.white)
        alpha = None
        with np.errstate(all="ignore"):
            if self.alpha is not None:
                alpha = self.alpha.astype(np.float32) / np.float32(self.white)
                if self.is_premultiplied:
                    shares = shares / np.where(alpha > 0, alpha, 1)[..., None]
            light = coding.convert_light(self.coding.decode_light(shares), self.coding)
            numbers = coding.encode_light(light)
            if alpha is not None and kind is not None:
                numbers = numbers * np.where(alpha > 0, alpha, 1)[..., None]
        tags = {name: tag for name, tag in self.tags.items() if name not in COLOUR_TAGS}
        return replace(
            self,
            pixels=store(numbers),
            coding=coding,
            alpha=None if alpha is None else store(alpha),
            is_premultiplied=kind is not None,
            keeps_association=False,
            tags=tags,
            film=None,
        )

    def as_type(self, kind: type[np.floating]) -> PictureOriginal:
        """Return a float picture in another type; what is too large for it becomes its largest."""
        if self.pixels.dtype == kind:
            return self
        alpha = None if self.alpha is None else _cast(self.alpha, kind)
        return replace(self, pixels=_cast(self.pixels, kind), alpha=alpha)

    def straight(self) -> PictureOriginal:
        """Return a picture of whole numbers with straight colours.

        One whose association is kept is returned as it is.
        """
        if self.alpha is None or not self.is_premultiplied or self.keeps_association:
            return self
        opacity = np.maximum(self.alpha, 1)[..., None].astype(np.float32) / np.float32(self.white)
        pixels = np.rint(np.clip(self.pixels / opacity, 0, self.white)).astype(self.pixels.dtype)
        return replace(self, pixels=pixels, is_premultiplied=False)

    def as_codes(self) -> tuple[PictureOriginal, bool]:
        """Return the picture as display codes of whole numbers, and whether light was clipped.

        A picture of whole numbers is returned as it is; linear light gets 16 bits, and straight
        alpha.
        """
        if self.pixels.dtype.kind != "f":
            return self, False
        whole = self.over_frame()
        light = self.coding.decode_light(whole.pixels.astype(np.float32))
        light = np.nan_to_num(
            SDR_CODING.convert_light(light, self.coding), nan=0, posinf=1, neginf=0
        )
        alpha = None
        if whole.alpha is not None:
            opacity = np.nan_to_num(whole.alpha.astype(np.float32))
            if self.is_premultiplied:
                light = light / np.where(opacity > 0, opacity, 1)[..., None]
            alpha = _to_16_bit(opacity)
        is_clipped = bool(((light > 1) | (light < 0)).any())
        codes = _to_16_bit(linear_to_srgb(light))
        return PictureOriginal(codes, SDR_CODING, alpha), is_clipped


def _cast(samples: np.ndarray, kind: type[np.floating]) -> np.ndarray:
    """Return float samples in another type, infinity and NaN as they are."""
    wide = samples.astype(np.float32)
    limit = float(np.finfo(kind).max)
    return np.where(np.isfinite(wide), np.clip(wide, -limit, limit), wide).astype(kind)


def _to_16_bit(shares: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(np.nan_to_num(shares), 0, 1) * np.float32(65535)).astype(np.uint16)


def _resize(samples: np.ndarray, width: int, height: int) -> np.ndarray:
    kind = samples.dtype
    if kind.kind == "f":
        samples = np.nan_to_num(samples.astype(np.float32), nan=0, posinf=0, neginf=0)
    return resize_picture(samples, width, height).astype(kind)
