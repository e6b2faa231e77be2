"""Pictures in depth as the frames of a film."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dreamflow.media.depth.original import PictureOriginal
from dreamflow.media.sample_format import SampleFormat


def fit_to_film(picture: PictureOriginal, samples: SampleFormat) -> tuple[PictureOriginal, bool]:
    """Return a picture as a film of pictures holds it, before it is dreamed.

    Args:
        picture: The source.
        samples: The samples of the film's frames.

    Returns:
        The picture, of whole numbers and with straight colours where the film has alpha, unless it
        keeps its association, and whether light below black or brighter than white was clipped.
    """
    if picture.film is not None:
        return picture, False
    coded, is_clipped = picture.as_codes()
    coded = coded.straight()
    pixels, alpha = coded.pixels, coded.alpha
    if samples.sample_bytes == 2 and pixels.dtype == np.uint8:
        pixels = pixels.astype(np.uint16) * 257
        alpha = None if alpha is None else alpha.astype(np.uint16) * 257
    elif samples.sample_bytes == 1 and pixels.dtype == np.uint16:
        pixels = np.rint(pixels / np.float32(257)).astype(np.uint8)
        alpha = None if alpha is None else np.rint(alpha / np.float32(257)).astype(np.uint8)
    white = np.iinfo(pixels.dtype).max
    if samples.has_alpha and alpha is None:
        alpha = np.full(pixels.shape[:2], white, pixels.dtype)
    elif not samples.has_alpha and alpha is not None:
        opacity = 1 if coded.is_premultiplied else alpha[..., None] / np.float32(white)
        pixels, alpha = np.rint(pixels * opacity).astype(pixels.dtype), None
    return replace(coded, pixels=pixels, alpha=alpha), is_clipped


def film_frame_bytes(picture: PictureOriginal) -> np.ndarray:
    """Return the samples of a picture that `fit_to_film` returned, dreamed or not: (bytes,) uint8.

    They are those of its film, or else RGB or RGBA, pixel after pixel.
    """
    if picture.film is not None:
        return picture.film.to_bytes()
    planes = [picture.pixels, *([] if picture.alpha is None else [picture.alpha])]
    return np.dstack(planes).reshape(-1).view(np.uint8)
