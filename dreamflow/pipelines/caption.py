"""The name of the layer, written into the picture."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from dreamflow.core.frames import Frame
from dreamflow.core.schedules.schedule import LayerSchedule
from dreamflow.core.schedules.timecode import Moment

FONT_HEIGHT_SHARE = 1 / 24
"""Height of the letters' em as a share of the picture's shorter side."""
MIN_FONT_PX = 9
CAPTION_MARGIN_EM = 1.1
SHADOW_OPACITY = 0.75
"""How dark the soft shadow is that keeps the name legible on anything."""


class LayerCaptions:
    """The captions of a sweep: in a fade one name goes before the next one comes."""

    def __init__(self, schedule: LayerSchedule) -> None:
        """Take the schedule whose layers are named."""
        self.schedule = schedule

    def draw(self, frame: Frame, moment: Moment) -> Frame:
        """Return a frame with the name of its moment's layer at the lower left."""
        before, after, share = self.schedule.find_interval(moment)
        one, other = (self.schedule.keyframes[number].value for number in (before, after))
        strength = 1.0 if one == other else abs(2 * share - 1)
        name = other if share > 0.5 else one
        picture = frame.picture
        height, width = picture.shape[:2]
        ink, shadow = render_caption_masks(name, width, height)
        levels = picture * (1 - shadow * (SHADOW_OPACITY * strength))
        levels += (255 - levels) * (ink * strength)
        return replace(frame, picture=np.rint(levels.clip(0, 255)).astype(np.uint8))


@lru_cache(maxsize=8)
def render_caption_masks(name: str, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Return where the ink of a name is, and where its shadow: float32 (H, W, 1) in [0, 1]."""
    em = max(MIN_FONT_PX, min(width, height) * FONT_HEIGHT_SHARE)
    font = ImageFont.load_default(em)
    room = width - 2 * CAPTION_MARGIN_EM * em
    if font.getlength(name) > room > 0:
        em = max(MIN_FONT_PX, em * room / font.getlength(name))
        font = ImageFont.load_default(em)
    ink = Image.new("L", (width, height))
    at = (CAPTION_MARGIN_EM * em, height - CAPTION_MARGIN_EM * em)
    ImageDraw.Draw(ink).text(at, name, fill=255, font=font, anchor="ls")
    spread = ink.filter(ImageFilter.MaxFilter(3)).filter(ImageFilter.GaussianBlur(em / 6))
    shadow = np.asarray(spread, np.float32)[..., None] / 255
    return np.asarray(ink, np.float32)[..., None] / 255, np.minimum(1, 2 * shadow)
