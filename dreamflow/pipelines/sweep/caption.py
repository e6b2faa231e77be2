"""The name of a sweep's layer, written into the picture."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from dreamflow.core.frames import Frame
from dreamflow.core.schedules.schedule import LayerSchedule
from dreamflow.core.schedules.timecode import Moment

FONT_HEIGHT_SHARE = 1 / 24
"""Height of the font's em as a share of the picture's shorter side."""
MIN_FONT_PX = 9
"""Smallest height of the em, in pixels."""
CAPTION_MARGIN_EM = 1.1
"""Distance of the text from the picture's edges, in ems."""
SHADOW_OPACITY = 0.75
"""Opacity of the black shadow that keeps the text legible on anything."""
SHADOW_BLUR_EM = 1 / 6
"""Standard deviation of the shadow's Gaussian blur, in ems."""
SHADOW_GAIN = 2
"""Factor on the blurred shadow, which is clipped to 1: solid near the text, soft around it."""


class LayerCaptions:
    """The captions of a sweep: in a fade one name disappears before the next one appears.

    Attributes:
        schedule: The schedule whose layers are named.
    """

    def __init__(self, schedule: LayerSchedule) -> None:
        self.schedule = schedule

    def draw(self, frame: Frame, moment: Moment) -> Frame:
        """Return a frame with the name of a moment's layer at its lower left.

        An original takes it as it takes a dream: in the light of a display, where it is opaque.
        """
        first, second, share = self.schedule.find_interval(moment)
        first_name, second_name = (self.schedule.keyframes[n].value for n in (first, second))
        opacity = 1.0 if first_name == second_name else abs(2 * share - 1)
        name = second_name if share > 0.5 else first_name
        height, width = frame.picture.shape[:2]
        ink, shadow = render_caption_masks(name, width, height)
        levels = frame.picture * (1 - shadow * (SHADOW_OPACITY * opacity))
        levels += (255 - levels) * (ink * opacity)
        shown = replace(frame, picture=np.rint(levels.clip(0, 255)).astype(np.uint8))
        if frame.original is None:
            return shown
        residual = (levels - frame.picture) / np.float32(255)
        if frame.residual is not None:
            residual += frame.residual
        proxy = frame.picture if frame.source is None else frame.source
        return replace(
            shown, original=frame.original.with_dream(residual, proxy), residual=residual
        )


@lru_cache(maxsize=8)
def render_caption_masks(name: str, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the masks of a caption's text and of its shadow.

    Args:
        name: The text.
        width: Width of the picture in pixels.
        height: Height of the picture in pixels.

    Returns:
        Two masks, float32 (H, W, 1) in [0, 1].
    """
    em = max(MIN_FONT_PX, min(width, height) * FONT_HEIGHT_SHARE)
    font = ImageFont.load_default(em)
    max_length = width - 2 * CAPTION_MARGIN_EM * em
    if font.getlength(name) > max_length > 0:
        em = max(MIN_FONT_PX, em * max_length / font.getlength(name))
        font = ImageFont.load_default(em)
    ink = Image.new("L", (width, height))
    position = (CAPTION_MARGIN_EM * em, height - CAPTION_MARGIN_EM * em)
    ImageDraw.Draw(ink).text(position, name, fill=255, font=font, anchor="ls")
    blur = ImageFilter.GaussianBlur(em * SHADOW_BLUR_EM)
    shadow = np.asarray(ink.filter(ImageFilter.MaxFilter(3)).filter(blur), np.float32) / 255
    ink_mask = np.asarray(ink, np.float32)[..., None] / 255
    return ink_mask, np.minimum(1, SHADOW_GAIN * shadow[..., None])
