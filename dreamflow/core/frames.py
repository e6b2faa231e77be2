"""A frame: one decoded picture of a clip with its number and time."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np


class Original(ABC):
    """A source picture in its own depth; a frame's 8-bit picture is made of it.

    Attributes:
        wanted_layers: What the output holds besides the picture, see `PictureFileOptions`.
        planes: Further channels of the frame, (H, W) float32 each, by their full names.
    """

    wanted_layers: tuple[str, ...]
    planes: Mapping[str, np.ndarray]

    @abstractmethod
    def with_planes(self, planes: Mapping[str, np.ndarray]) -> Original:
        """Return the picture with further channels, those of the same names replaced."""

    @abstractmethod
    def with_dream(self, residual: np.ndarray, proxy: np.ndarray) -> Original:
        """Return the source with a dream added; where the residual is 0 its samples stay.

        A dream that was added before is left out.

        Args:
            residual: (H, W, 3) float32, dream minus proxy, of full scale 1.
            proxy: (H, W, 3) uint8 RGB, the frame's picture.
        """


@dataclass(frozen=True)
class FinishedFrame:
    """A frame as its output holds it, made by an earlier render; one of the two is given.

    Attributes:
        file: A file of an output of pictures.
        samples: The samples of a film in depth, uint8 (bytes,).
    """

    file: Path | None = None
    samples: np.ndarray | None = None


@dataclass(frozen=True)
class Frame:
    """One picture of a clip.

    Attributes:
        index: Number in the source from 0, or in the resampled clip; it keys the randomness of the
            dream.
        time: Seconds from the clip's first frame, exact.
        picture: uint8 (H, W, 3) RGB.
        source: uint8 (H, W, 3) RGB, for a dream the picture that it was dreamed from.
        full_picture: uint8 (H, W, 3) RGB, for a cropped frame the picture that it was cropped from.
        original: The whole source picture in its own depth, where the output keeps that; None
            where the 8-bit picture is all that counts.
        residual: float32 (H, W, 3), for a dream of a frame with an original: what is shown of it
            minus the source, of full scale 1; None where it is 0 everywhere.
        finished: The frame as its output holds it, where that is made already: writers take it as
            it is.
    """

    index: int
    time: Fraction
    picture: np.ndarray
    source: np.ndarray | None = None
    full_picture: np.ndarray | None = None
    original: Original | None = None
    residual: np.ndarray | None = None
    finished: FinishedFrame | None = None

    @property
    def whole_size(self) -> tuple[int, int]:
        """(height, width) of the whole picture, also of a cropped frame."""
        whole = self.picture if self.full_picture is None else self.full_picture
        return whole.shape[0], whole.shape[1]

    def without_original(self) -> Frame:
        """Return the frame as it is where only its 8-bit picture counts."""
        if self.original is None and self.residual is None:
            return self
        return replace(self, original=None, residual=None)
