"""In two passes a shot starts with a settled dream, and nothing else is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from conftest import CommandResult, make_film
from temporal_scenes import SMALL_DREAM, make_frames, make_pan

from dreamflow.core.errors import SettingsError
from dreamflow.core.frames import Frame
from dreamflow.dream.options import DreamOptions
from dreamflow.jobs.controls import RenderControls
from dreamflow.jobs.renders.render_video import render_video
from dreamflow.media.read.open_clip import open_clip
from dreamflow.networks.loading import load_network
from dreamflow.networks.network import Network
from dreamflow.pipelines.settings.groups import VideoSettings
from dreamflow.pipelines.video.carry_over_frames import VideoDreamer
from dreamflow.pipelines.video.dream_video import dream_video
from dreamflow.pipelines.video.two_pass import WARM_UP_S, dream_in_passes
from dreamflow.temporal.flow.estimators import estimate_dis
from dreamflow.temporal.flow.flow_pair import FlowPair
from dreamflow.temporal.flow.source import MotionSource
from dreamflow.temporal.options import CarryOptions
from dreamflow.temporal.shots import Mark

FAST_DREAM = DreamOptions(layer=("conv2/3x3",), octaves=1, iterations=1)
TWO_PASSES = CarryOptions(passes=2, carry_iterations=2)


def make_shot(count: int, seed: int = 0, first: int = 0) -> list[Frame]:
    """Return frames of a pan, numbered from `first` on."""
    pictures = make_pan(count, -2, 0, 64, 64, seed)
    return [
        Frame(first + n, Fraction(first + n, 24), picture) for n, picture in enumerate(pictures)
    ]


def mark(frames: list[Frame], cuts: tuple[int, ...] = (0,)) -> Iterator[tuple[Frame, Mark]]:
    """Yield frames with their marks; cuts: the frames that begin a shot."""
    return ((frame, Mark.CUT if frame.index in cuts else Mark.SAME) for frame in frames)


def test_each_frame_comes_once_in_order_and_each_pair_is_estimated_once(
    noise_network: Network,
) -> None:
    frames = [*make_shot(7), *make_shot(2, 5, 7), *make_shot(1, 6, 9), *make_shot(4, 7, 10)]
    cuts = (0, 7, 9, 10)
    pairs: list[tuple[int, int]] = []

    def estimate(before: Frame, here: Frame) -> FlowPair:
        pairs.append((before.index, here.index))
        return estimate_dis(before.picture, here.picture)

    dreamer = VideoDreamer(noise_network, FAST_DREAM, TWO_PASSES)
    dreamer.motion = MotionSource(estimate, dreamer.gains)
    progress: list[tuple[int, int]] = []

    def count(done: int, known: int) -> None:
        progress.append((done, known))

    dreams = list(dream_in_passes(mark(frames, cuts), dreamer, count, warm_up_s=3 / 24))
    shown = [dream for dream in dreams if dream is not None]
    assert [(d.index, d.time) for d in shown] == [(f.index, f.time) for f in frames]
    estimated = sorted((min(pair), max(pair)) for pair in pairs)
    assert estimated == [(n - 1, n) for n in range(1, 14) if n not in cuts]
    unseen = 3 + 1 + 0 + 3
    assert progress[-1] == (unseen, unseen)
    assert dreams.count(None) == unseen
    assert all(done <= known for done, known in progress)
    assert progress == sorted(progress)


def test_a_frame_alone_is_dreamed_as_in_one_pass(noise_network: Network) -> None:
    frame = make_shot(1)
    one, two = (
        list(dream_video(frame, noise_network, None, FAST_DREAM, carry))
        for carry in (CarryOptions(), TWO_PASSES)
    )
    assert np.array_equal(one[0].picture, two[0].picture)


@pytest.mark.parametrize("rate", [24, 30])
def test_frames_are_read_no_further_than_the_warm_up(noise_network: Network, rate: int) -> None:
    read = 0

    def counted() -> Iterator[tuple[Frame, Mark]]:
        nonlocal read
        for pair in mark(make_frames(make_pan(60, -1, 0, 32, 32), rate)):
            read += 1
            yield pair

    dreams = dream_in_passes(counted(), VideoDreamer(noise_network, FAST_DREAM, TWO_PASSES))
    next(dreams)
    assert read == round(WARM_UP_S * rate) + 2, "the first frame, a second's, and the one after"


def test_a_flash_is_not_dreamed_backwards(noise_network: Network) -> None:
    frames = make_shot(6)
    frames[2] = Frame(2, frames[2].time, np.full_like(frames[2].picture, 250))
    marks = [Mark.CUT, Mark.SAME, Mark.FLASH, Mark.SAME, Mark.SAME, Mark.FLASH]
    dreamer = VideoDreamer(noise_network, FAST_DREAM, TWO_PASSES)
    dreams = list(dream_in_passes(zip(frames, marks, strict=True), dreamer))
    assert dreams.count(None) == 3
    assert [dream.index for dream in dreams if dream is not None] == list(range(6))


def test_the_beginning_is_as_strong_as_the_rest() -> None:
    """A dream that may grow: its first frames have less of it than those that follow."""
    network = load_network("pocket", None, "cpu")
    options = DreamOptions(layer=("inception_4c/output",), octaves=2, iterations=3)
    frames = make_shot(20)
    distances: list[float] = []
    for passes in (1, 2):
        carry = CarryOptions(passes=passes, firmness=0)
        dreams = dream_in_passes(mark(frames), VideoDreamer(network, options, carry))
        sizes = [
            float(np.abs(dreamed.picture.astype(np.float32) - frames[dreamed.index].picture).mean())
            for dreamed in dreams
            if dreamed is not None
        ]
        distances.append(abs(sizes[0] / float(np.mean(sizes[14:])) - 1))
    one, two = distances
    # Over three seeds: 0.52 to 0.55 in one pass, 0.06 to 0.09 in two.
    assert two < 0.16
    assert two < 0.4 * one


def test_passes_and_loop_exclude_each_other() -> None:
    with pytest.raises(SettingsError):
        CarryOptions(passes=2, loop=True)


def test_progress_counts_unseen_frames_too(tmp_path: Path, noise_network: Network) -> None:
    clip = open_clip(make_film(tmp_path / "film.mp4", frames=5))
    progress: list[tuple[int, int]] = []

    def report(done: int, total: int) -> None:
        progress.append((done, total))

    settings = VideoSettings(FAST_DREAM, TWO_PASSES)
    render_video(clip, tmp_path / "d.mp4", noise_network, settings, RenderControls(report))
    assert progress == [(done, 9) for done in range(1, 10)]


def test_the_command_renders_in_two_passes(
    tmp_path: Path, cli: Callable[..., CommandResult]
) -> None:
    film = make_film(tmp_path / "film.mp4", frames=5)
    line = ("--octaves", "1", "--iterations", "1", "--layer", "conv2/3x3", "--passes", "2")
    run = cli("video", film, tmp_path / "e.mp4", *line)
    assert run.code == 0, run.err
    assert len(list(open_clip(tmp_path / "e.mp4"))) == 5
    assert cli("video", film, tmp_path / "f.mp4", *line, "--loop").code == 1


def test_two_passes_of_no_frame_are_none(noise_network: Network) -> None:
    dreamer = VideoDreamer(noise_network, SMALL_DREAM, TWO_PASSES)
    assert list(dream_in_passes([], dreamer)) == []
