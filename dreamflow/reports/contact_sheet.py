"""A contact sheet: several pictures on one, each with its label."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SHEET_GAP_PX = 8
"""Gap around each picture."""
MAX_SHEET_WIDTH_PX = 3840
"""Width above which pictures are made smaller."""
SCREEN_ASPECT = 16 / 9
"""Width / height that a sheet is given where the number of columns is free."""
BACKGROUND_RGB = (18, 18, 20)
LABEL_RGB = (235, 235, 235)
MIN_LABEL_PX, MAX_LABEL_PX = 11, 28
"""Smallest and largest height of a label's font."""
LABEL_WIDTH_SHARE = 22
"""Height of a label's font = width of a picture / this."""


def draw_contact_sheet(
    pictures: Sequence[np.ndarray], labels: Sequence[str], columns: int = 0
) -> np.ndarray:
    """Draw pictures in rows, with a label below each.

    Args:
        pictures: uint8 (H, W, 3) RGB, all of one size.
        labels: A label for each.
        columns: Pictures in a row; 0 makes the sheet about as wide as a screen, and its rows as
            even as possible.

    Returns:
        The sheet, uint8 (H, W, 3) RGB, at most 3840 pixels wide.
    """
    height, width = pictures[0].shape[:2]
    count = len(pictures)
    columns = min(columns or choose_columns(count, height, width), count)
    scale = min(1.0, MAX_SHEET_WIDTH_PX / (columns * (width + SHEET_GAP_PX) + SHEET_GAP_PX))
    cell_size = max(1, int(width * scale)), max(1, int(height * scale))
    font_px = max(MIN_LABEL_PX, min(MAX_LABEL_PX, cell_size[0] // LABEL_WIDTH_SHARE))
    font = ImageFont.load_default(font_px)
    pitch_x, pitch_y = cell_size[0] + SHEET_GAP_PX, cell_size[1] + SHEET_GAP_PX + 2 * font_px
    rows = -(-count // columns)
    sheet_size = columns * pitch_x + SHEET_GAP_PX, rows * pitch_y + SHEET_GAP_PX
    sheet = Image.new("RGB", sheet_size, BACKGROUND_RGB)
    draw = ImageDraw.Draw(sheet)
    for number, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        x = SHEET_GAP_PX + number % columns * pitch_x
        y = SHEET_GAP_PX + number // columns * pitch_y
        sheet.paste(Image.fromarray(picture).resize(cell_size, Image.Resampling.LANCZOS), (x, y))
        draw.text((x, y + cell_size[1] + font_px // 3), label, fill=LABEL_RGB, font=font)
    return np.asarray(sheet)


def choose_columns(count: int, height: int, width: int) -> int:
    """Return how many pictures of a size in pixels to put in a row: as even rows as possible."""
    widest = min(count, max(1, round(math.sqrt(count * height / width * SCREEN_ASPECT))))
    return -(-count // -(-count // widest))
