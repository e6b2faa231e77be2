"""Several pictures on one, each with its label."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SHEET_GAP_PX = 8
MAX_SHEET_WIDTH_PX = 3840
BACKGROUND_RGB = (18, 18, 20)
LABEL_RGB = (235, 235, 235)


def draw_contact_sheet(
    pictures: Sequence[np.ndarray], labels: Sequence[str], columns: int = 0
) -> np.ndarray:
    """Return one uint8 (H, W, 3) RGB picture of several of one size, in rows, labels below.

    At most 3840 pixels wide: more or larger pictures are made smaller. columns: pictures in a row;
    0 makes the sheet about as wide as a screen, and its rows as even as can be.
    """
    height, width = pictures[0].shape[:2]
    count = len(pictures)
    if not columns:
        widest = min(count, max(1, round(math.sqrt(count * height / width * 16 / 9))))
        columns = -(-count // -(-count // widest))
    columns = min(columns, count)
    scale = min(1.0, MAX_SHEET_WIDTH_PX / (columns * (width + SHEET_GAP_PX) + SHEET_GAP_PX))
    wide, high = max(1, int(width * scale)), max(1, int(height * scale))
    font_px = max(11, min(28, wide // 22))
    font = ImageFont.load_default(font_px)
    cell_w, cell_h = wide + SHEET_GAP_PX, high + SHEET_GAP_PX + 2 * font_px
    rows = -(-count // columns)
    sheet = Image.new(
        "RGB", (columns * cell_w + SHEET_GAP_PX, rows * cell_h + SHEET_GAP_PX), BACKGROUND_RGB
    )
    draw = ImageDraw.Draw(sheet)
    for number, (picture, label) in enumerate(zip(pictures, labels, strict=True)):
        x = SHEET_GAP_PX + number % columns * cell_w
        y = SHEET_GAP_PX + number // columns * cell_h
        cell = Image.fromarray(picture).resize((wide, high), Image.Resampling.LANCZOS)
        sheet.paste(cell, (x, y))
        draw.text((x, y + high + font_px // 3), label, fill=LABEL_RGB, font=font)
    return np.asarray(sheet)
