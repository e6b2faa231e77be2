"""Colours multiplied by alpha in files whose format has them straight: one line says so."""

from __future__ import annotations

import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import make_texture, run_ffmpeg
from hypothesis import given
from hypothesis import strategies as st

from dreamflow.core.errors import ConvertedSourceWarning
from dreamflow.media.colour.premultiplied import PREMULTIPLIED_NOTE, looks_premultiplied
from dreamflow.media.depth.read import read_deep_picture
from dreamflow.media.depth.write import DeepOutput
from dreamflow.media.options import EncodeOptions
from dreamflow.media.read.clip import Clip

KEPT = DeepOutput.of(Path("out.mkv"), EncodeOptions(codec="ffv1"))


def soft_disc() -> np.ndarray:
    """Return alpha of a disc with a soft edge, float (48, 64)."""
    rows, columns = np.mgrid[:48, :64]
    return np.clip((20 - np.hypot(rows - 24, columns - 32)) / 12 + 0.5, 0, 1)


@given(st.integers(0, 255), st.integers(0, 2**16))
def test_straight_colours_are_not_doubted(level: int, seed: int) -> None:
    alpha = np.rint(255 * soft_disc()).astype(np.uint8)
    flat = np.full((48, 64, 3), level, np.uint8)
    noise = np.random.default_rng(seed).integers(0, 256, flat.shape).astype(np.uint8)
    assert not looks_premultiplied(flat, alpha)
    assert not looks_premultiplied(noise, alpha)
    assert not looks_premultiplied(flat, np.full_like(alpha, 255))


@given(st.integers(90, 255))
def test_multiplied_colours_are_told(level: int) -> None:
    alpha = soft_disc()
    colours = np.rint(level * alpha[..., None].repeat(3, axis=2)).astype(np.uint16) * 257
    assert looks_premultiplied(colours, np.rint(65535 * alpha).astype(np.uint16))


@pytest.mark.parametrize("is_multiplied", [False, True])
def test_a_film_and_a_picture_say_so(tmp_path: Path, is_multiplied: bool) -> None:
    colours = np.clip(make_texture(48, 64) / 255 + 0.2, 0, 1)
    alpha = soft_disc()[..., None]
    pixels = np.dstack([colours * alpha if is_multiplied else colours, alpha])
    picture, film = tmp_path / "title.png", tmp_path / "title.mov"
    cv2.imwrite(str(picture), np.rint(65535 * pixels).astype(np.uint16))
    run_ffmpeg("-i", picture, "-c:v", "prores_ks", "-pix_fmt", "yuva444p10le", film)
    assert (PREMULTIPLIED_NOTE in read_deep_picture(picture).notes) is is_multiplied
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        Clip(film, None, KEPT)
    kinds = [one.category for one in said if one.category is not DeprecationWarning]
    assert kinds == [ConvertedSourceWarning] * is_multiplied
