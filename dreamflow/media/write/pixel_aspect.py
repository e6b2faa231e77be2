"""The shape of an output's pixels: tagged in a video, made square in animated pictures."""

from __future__ import annotations

from fractions import Fraction


def pixel_aspect_filter(pixel_aspect: Fraction) -> str:
    """Return ffmpeg's filter that tags a video with the width of a pixel over its height."""
    # Without a maximum, setsar rounds to integers below 100.
    return f"setsar={pixel_aspect}:max=65535"


def square_pixel_filter(pixel_aspect: Fraction) -> str:
    """Return ffmpeg's filter that stretches a video to square pixels, for formats without tags."""
    return f"scale=w=iw*{float(pixel_aspect):.6f}:h=ih:flags=lanczos"
