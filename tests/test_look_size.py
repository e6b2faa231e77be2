"""A look's size: a dream has the same forms, in shares of the frame, at every size."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import CommandResult, make_film, make_texture, refused
from hypothesis import given
from hypothesis import strategies as st

from dreamflow.core.frames import Frame
from dreamflow.dream.octaves import OctavePlan, look_scale_of, plan_octaves
from dreamflow.dream.options import DreamOptions
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.records.embedded_settings import read_record
from dreamflow.networks.loading import load_network
from dreamflow.networks.network import Network
from dreamflow.pipelines.image import dream_image
from dreamflow.pipelines.settings.options import ZoomOptions
from dreamflow.pipelines.video.dream_video import dream_video
from dreamflow.pipelines.zoom.pipeline import dream_zoom
from dreamflow.temporal.control.plans import plan_refinement
from dreamflow.temporal.options import CarryOptions

Cli = Callable[..., CommandResult]
SMALL = DreamOptions(layer=("conv2/3x3",), octaves=2, iterations=2, jitter=4)
LOOK = DreamOptions(layer=("inception_3b/output",), octaves=2, iterations=6, step=3.0, jitter=8)


@pytest.fixture(scope="module")
def pocket() -> Network:
    return load_network("pocket", None, "cpu")


def enlarge(picture: np.ndarray, factor: float) -> np.ndarray:
    return cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)


def work(plan: list[OctavePlan], height: int, width: int) -> float:
    """Return the pixels that are dreamed on, all steps together."""
    return sum(part.iterations * math.prod(part.size(height, width)) for part in plan)


# --- Plans


@given(st.integers(64, 4096), st.integers(64, 4096), st.floats(1.1, 3), st.integers(1, 8))
def test_octaves_are_those_of_the_look_and_end_at_the_full_size(
    side: int, look: int, octave_scale: float, octaves: int
) -> None:
    options = DreamOptions(octaves=octaves, octave_scale=octave_scale)
    with_look = replace(options, look_size=look)
    height, width = side, 2 * side // 3
    plan = plan_octaves(with_look, look_scale_of(with_look, height, width))
    usual = [max(part.size(look, round(look * width / height))) for part in plan_octaves(options)]
    sizes = [max(part.size(height, width)) for part in plan]
    assert sizes[:octaves] == usual
    assert sizes == sorted(sizes)
    if side >= look:
        assert plan[-1].size(height, width) == (height, width)
        for part, finer in pairwise(plan):
            assert (
                max(finer.size(height, width))
                <= octave_scale * max(part.size(height, width)) + octave_scale + 1
            )
    else:
        assert len(plan) == octaves


def test_without_a_look_size_octaves_count_from_the_frame() -> None:
    assert look_scale_of(DreamOptions(), 360, 640) == 1
    assert plan_octaves(DreamOptions(), 1.0) == plan_octaves(DreamOptions())


@pytest.mark.parametrize("plan_of", [plan_octaves, None])
def test_a_large_frame_costs_less_with_a_look_of_a_small_size(
    plan_of: Callable[..., list[OctavePlan]] | None,
) -> None:
    options = DreamOptions(look_size=640)
    scale = look_scale_of(options, 2160, 3840)
    if plan_of is None:
        usual = plan_refinement(options, CarryOptions(), 3)
        looked = plan_refinement(options, CarryOptions(), 3, scale)
        assert looked[-1].size(2160, 3840) == (2160, 3840)
    else:
        usual, looked = plan_of(options), plan_of(options, scale)
    assert 0 < work(looked, 2160, 3840) < work(usual, 2160, 3840)


# --- Dreams


def test_a_look_of_the_pictures_own_size_changes_nothing(noise_network: Network) -> None:
    picture = make_texture(64, 96)
    plain = dream_image(picture, noise_network, options=SMALL)
    assert (dream_image(picture, noise_network, options=SMALL, look_size=96) == plain).all()


def likeness(pocket: Network, look_size: int | None) -> float:
    """Return how much two dreams of a picture have in common, small and three times as large."""
    small, large = make_texture(96, 128), enlarge(make_texture(96, 128), 3)
    residuals = []
    for picture in (small, large):
        dreamed = dream_image(picture, pocket, options=LOOK, look_size=look_size)
        residual = dreamed.astype(np.float32) - picture
        residual = cv2.resize(residual, (128, 96), interpolation=cv2.INTER_AREA)
        residuals.append(cv2.GaussianBlur(residual, (0, 0), 2).ravel())
    return float(np.corrcoef(*residuals)[0, 1])


@pytest.mark.parametrize("look_size", [128, 384])
def test_a_small_preview_shows_what_a_large_picture_will(pocket: Network, look_size: int) -> None:
    without, with_look = likeness(pocket, None), likeness(pocket, look_size)
    assert with_look > 0.6
    assert with_look > 1.5 * without


@pytest.mark.parametrize("look_size", [64, 192])
def test_a_film_of_a_look_is_carried(pocket: Network, look_size: int) -> None:
    texture = make_texture(96, 140)
    frames = [
        Frame(n, Fraction(n, 30), np.ascontiguousarray(texture[:, 2 * n : 2 * n + 128]))
        for n in range(4)
    ]
    options = replace(LOOK, look_size=look_size, iterations=3)
    residuals = [
        np.abs(dreamed.picture.astype(float) - frame.picture).mean()
        for frame, dreamed in zip(frames, dream_video(frames, pocket, options=options), strict=True)
    ]
    assert min(residuals) > 0.8 * residuals[0]


def test_a_zoom_of_a_look_is_dreamed(noise_network: Network) -> None:
    zoom = ZoomOptions(seconds=0.2, fps=10)
    frames = dream_zoom(make_texture(64, 96), noise_network, SMALL, zoom, look_size=64)
    first, second = (frame.picture for frame in frames)
    assert first.shape == second.shape == (64, 96, 3)
    assert (first != second).any()


def test_a_look_too_small_for_a_layer_is_named(noise_network: Network) -> None:
    with refused("look_size"):
        options = DreamOptions(layer=("inception_4c/output",), iterations=1, look_size=64)
        dream_image(make_texture(40, 1280), noise_network, options=options)


def test_a_crop_has_the_look_of_the_whole_frame() -> None:
    whole = make_texture(64, 96)
    frame = Frame(0, Fraction(0), whole[:32, :40], full_picture=whole)
    assert frame.whole_size == (64, 96)
    assert replace(frame, full_picture=None).whole_size == (32, 40)


# --- The record


def test_the_look_size_is_saved_and_taken_by_like(tmp_path: Path, cli: Cli) -> None:
    film = make_film(tmp_path / "film.mp4", frames=2, size="96x64")
    quick = ("--layer", "conv1/7x7_s2", "--octaves", "1", "--iterations", "1", "--threads", "1")
    first, second = tmp_path / "first.mp4", tmp_path / "second.mp4"
    run = cli("video", film, first, *quick, "--look-size", "64")
    assert run.code == 0, run.err
    run = cli("video", film, second, "--like", first, "--size", "48", "--threads", "1")
    assert run.code == 0, run.err
    assert read_record(first)["settings"]["look_size"] == 64
    assert read_record(second)["settings"]["look_size"] == 64
    assert len(open_clip(second)) == 2
