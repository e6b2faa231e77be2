"""How the samples of a film in depth are laid out, and what they mean."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import av

from dreamflow.media.colour.carried_tags import ColourTags

LUMA_WEIGHTS_BY_H273 = {
    1: (0.2126, 0.0722),
    4: (0.30, 0.11),
    5: (0.299, 0.114),
    6: (0.299, 0.114),
    7: (0.212, 0.087),
    9: (0.2627, 0.0593),
}
"""Share of red and of blue in luma, by the matrix's code in ITU-T H.273, table 4."""


@dataclass(frozen=True)
class SampleFormat:
    """What the frames of a film in depth are made of: samples of 8 to 16 bits, YUV, grey or RGB.

    Attributes:
        pixel_format: FFmpeg's name: planar, of little endian, or rgba, rgb48le, rgba64le.
        tags: What the samples mean.
    """

    pixel_format: str
    tags: ColourTags

    @cached_property
    def layout(self) -> av.VideoFormat:
        """FFmpeg's description of the pixel format."""
        return av.VideoFormat(self.pixel_format)

    @property
    def bits(self) -> int:
        """Bits of a sample."""
        return self.layout.components[0].bits

    @property
    def sample_bytes(self) -> int:
        """Bytes of a sample."""
        return 2 if self.bits > 8 else 1

    @property
    def has_alpha(self) -> bool:
        """Whether frames have transparency, which is not multiplied into their colours."""
        return any(component.is_alpha for component in self.layout.components)

    @property
    def is_rgb(self) -> bool:
        """Whether samples are red, green and blue."""
        return bool(self.layout.is_rgb)

    @property
    def luma_weights(self) -> tuple[float, float]:
        """Share of red and of blue in luma."""
        return LUMA_WEIGHTS_BY_H273.get(self.tags.matrix, LUMA_WEIGHTS_BY_H273[1])

    def plane_sizes(self, width: int, height: int) -> list[tuple[int, int]]:
        """Return (width, height) of each component's samples in a frame of a size."""
        layout, whole = self.layout, (width, height)
        chroma = layout.chroma_width(width), layout.chroma_height(height)
        return [
            whole if self.is_rgb or part.is_luma or part.is_alpha else chroma
            for part in layout.components
        ]

    def frame_bytes(self, width: int, height: int) -> int:
        """Return the bytes of a frame of a size."""
        return self.sample_bytes * sum(w * h for w, h in self.plane_sizes(width, height))

    def to_dict(self) -> dict[str, Any]:
        """Return the format as values that JSON can hold."""
        return {"pixel_format": self.pixel_format, "tags": self.tags.to_dict()}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> SampleFormat:
        """Return the format whose `to_dict` gave these values."""
        return cls(plain["pixel_format"], ColourTags(**plain["tags"]))
