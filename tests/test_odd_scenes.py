"""Scenes with little to hold on to: no frame is bare, nothing fails, nothing is warned of."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from conftest import make_texture
from temporal_scenes import make_frames, make_pan

from dreamflow.core.opencv import cv2
from dreamflow.dream.objective.objective import Objective
from dreamflow.dream.options import DreamOptions
from dreamflow.networks.network import Network
from dreamflow.pipelines.video.carry_over_frames import Mark, VideoDreamer
from dreamflow.reports.coherence.dream_meter import DreamMeter
from dreamflow.reports.coherence.verdict import compare_measurements, judge_measurements
from dreamflow.temporal.options import CarryOptions

HEIGHT, WIDTH, COUNT = 72, 96, 11
DREAM = DreamOptions(layer=("conv2/3x3",), octaves=2, iterations=3, jitter=4)

Pictures = list[np.ndarray]


def one_frame() -> Pictures:
    return [make_texture(HEIGHT, WIDTH)]


def nothing_but_movers() -> Pictures:
    """Strips that cross each other: no motion is that of most."""
    strips = [make_pan(COUNT, dx, 0, HEIGHT // 6, WIDTH, seed=n)
              for n, dx in enumerate((5, -4, 7, -6, 3, -8))]  # fmt: skip
    return [np.concatenate([strip[n] for strip in strips]) for n in range(COUNT)]


def nothing_but_noise() -> Pictures:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(COUNT)]


def static_titles() -> Pictures:
    card = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    cv2.putText(card, "TITLE", (8, 44), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (255, 255, 255), 2)
    return [card.copy() for _ in range(COUNT)]


def titles_over_black_and_back() -> Pictures:
    titles, black = static_titles(), np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    return [*titles[:4], *(black.copy() for _ in range(4)), *titles[8:]]


def shots_of_two_frames() -> Pictures:
    return [picture for n in range(COUNT // 2) for picture in make_pan(2, 2, 0, HEIGHT, WIDTH, n)]


def a_mover_that_fills_the_frame() -> Pictures:
    ground, body = make_texture(HEIGHT, WIDTH, 1), make_texture(HEIGHT - 6, WIDTH * 2, 2)
    pictures = [ground.copy() for _ in range(COUNT)]
    for number, picture in enumerate(pictures):
        left = 4 * number
        picture[3 : HEIGHT - 3, 3 : WIDTH - 3] = body[:, left : left + WIDTH - 6]
    return pictures


def one_that_covers_all_and_leaves() -> Pictures:
    ground, pictures = make_texture(HEIGHT, WIDTH, 1), list[np.ndarray]()
    body = make_texture(HEIGHT, WIDTH, 4)
    for number in range(COUNT):
        left = WIDTH - 16 * number
        columns = slice(max(0, left), min(WIDTH, left + WIDTH))
        pictures.append(ground.copy())
        pictures[-1][:, columns] = body[:, columns.start - left : columns.stop - left]
    return pictures


SCENES = (
    one_frame,
    nothing_but_movers,
    nothing_but_noise,
    static_titles,
    titles_over_black_and_back,
    shots_of_two_frames,
    a_mover_that_fills_the_frame,
    one_that_covers_all_and_leaves,
)


@pytest.fixture(autouse=True)
def nothing_is_warned_of() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def dream_all(pictures: Pictures, network: Network) -> Pictures:
    """Return each picture's dream, carried along."""
    dreamer = VideoDreamer(network, DREAM, CarryOptions())
    cuts = [_is_cut(pictures, number) for number in range(len(pictures))]
    marks = [Mark.CUT if cut else Mark.SAME for cut in cuts]
    frames = zip(make_frames(pictures), marks, strict=True)
    dreams = [dreamer(frame, mark).picture for frame, mark in frames]
    dreamer.finish()
    return dreams


def _is_cut(pictures: Pictures, number: int) -> bool:
    """Return whether two frames of the textures used here are of two shots."""
    if number == 0:
        return False
    before, here = (pictures[n].astype(np.float64).ravel() for n in (number - 1, number))
    return bool(np.abs(before - here).mean() > 25)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_no_frame_is_bare(scene: Callable[[], Pictures], noise_network: Network) -> None:
    pictures = scene()
    residuals = [
        float(np.abs(dream.astype(int) - picture).mean())
        for dream, picture in zip(dream_all(pictures, noise_network), pictures, strict=True)
    ]
    alone = [
        float(np.abs(dream_all([picture], noise_network)[0].astype(int) - picture).mean())
        for picture in pictures
    ]
    for number, (carried, fresh) in enumerate(zip(residuals, alone, strict=True)):
        assert carried > 0.6 * fresh, f"frame {number}"


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_every_scene_can_be_measured(scene: Callable[[], Pictures], noise_network: Network) -> None:
    pictures = scene()
    objective = Objective.parse(noise_network, DREAM.layer)
    meter = DreamMeter(["one", "other"], lambda time_s: objective)
    rng = np.random.default_rng(0)
    for frame in make_frames(pictures):
        dream = np.clip(frame.picture + rng.integers(-9, 10, frame.picture.shape), 0, 255)
        dream = dream.astype(np.uint8)
        meter.add(frame, [dream, dream], cut=frame.index == 0 or _is_cut(pictures, frame.index))
    shares = compare_measurements(meter.measurements)
    for name, share in shares.items():
        assert share is None or np.isnan(share) or share == pytest.approx(1, abs=1e-6), name
    judge_measurements(meter.measurements)
