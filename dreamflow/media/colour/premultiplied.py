"""Whether colours are multiplied by alpha: as the user says, or else as a file's format does."""

from __future__ import annotations

import numpy as np

from dreamflow.core.errors import named

SOFT_ALPHA = (0.05, 0.95)
"""Alpha of edges: what is neither transparent nor opaque."""
MIN_SOFT_PIXELS = 64
"""Pixels of edges that tell."""
TOLERANCE = 0.02
"""By how much colours may exceed alpha, of full scale: noise of an encoder."""
MAX_EXCEEDING_SHARE = 0.005
"""Share of the edges' pixels whose colours may exceed alpha."""
MIN_RATIO = 0.25
"""Mean colour over mean alpha of edges that are not just dark."""
PREMULTIPLIED_NOTE = (
    "its colours look multiplied by alpha, and are taken for straight, as its format has it: edges "
    f"become dark; give {named('alpha')} premultiplied, or straight where they are right"
)


def is_premultiplied(alpha: str, by_format: bool) -> bool:
    """Return whether the colours of a source are taken for multiplied by its alpha.

    Args:
        alpha: The setting: "auto", "straight" or "premultiplied".
        by_format: What the source's format says.
    """
    return by_format if alpha == "auto" else alpha == "premultiplied"


def looks_premultiplied(colours: np.ndarray, alpha: np.ndarray) -> bool:
    """Return whether the colours of a picture look multiplied by alpha.

    In soft edges straight colours are as bright as they are within; multiplied ones never exceed
    alpha.

    Args:
        colours: (H, W, 3) whole numbers or floats; full scale is that of the type, or 1.
        alpha: (H, W) of the same type.
    """
    white = float(np.iinfo(alpha.dtype).max) if alpha.dtype.kind == "u" else 1.0
    is_soft = (alpha > SOFT_ALPHA[0] * white) & (alpha < SOFT_ALPHA[1] * white)
    if np.count_nonzero(is_soft) < MIN_SOFT_PIXELS:
        return False
    brightest = colours[is_soft].max(axis=1) / white
    opacity = alpha[is_soft] / white
    exceeding = float((brightest > opacity + TOLERANCE).mean())
    # Of the means, not the mean of ratios: where alpha is near 0 even dark colours come near it.
    ratio = float(brightest.mean() / opacity.mean())
    return exceeding <= MAX_EXCEEDING_SHARE and ratio > MIN_RATIO
