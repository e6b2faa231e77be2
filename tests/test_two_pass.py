"""In two passes a shot starts with a dream that has come to rest, and nothing else is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import CommandResult, make_film, make_texture

from dreamflow.core.errors import SettingsError
from dreamflow.core.frames import Frame
from dreamflow.dream.options import DreamOptions
from dreamflow.media.read.clip import open_clip
from dreamflow.networks.loading import load_network
from dreamflow.networks.network import Network
from dreamflow.pipelines import two_pass as passes_module
from dreamflow.pipelines.two_pass import SHOT_WARM_UP_FRAMES, dream_visible_frames
from dreamflow.pipelines.video import VideoDreamer, dream_video, marker_of
from dreamflow.temporal.flow import source as source_module
from dreamflow.temporal.flow.estimators import Motion
from dreamflow.temporal.flow.source import Remembered
from dreamflow.temporal.options import CarryOptions
from dreamflow.temporal.shots import Mark

OPTIONS = DreamOptions(layer=("conv2/3x3",), octaves=2, iterations=4, jitter=8)
TWICE = CarryOptions(passes=2, carry_iterations=2)


def panned(count: int, seed: int = 0, first: int = 0) -> list[Frame]:
    scene = make_texture(64, 64 + 2 * count, seed)
    views = [np.ascontiguousarray(scene[:, 2 * n : 2 * n + 64]) for n in range(count)]
    return [Frame(first + n, Fraction(first + n, 24), view) for n, view in enumerate(views)]


class Counted:
    """A source of motion that knows which pairs it was asked for."""

    def __init__(self, source: Callable[[Frame, Frame], Motion]) -> None:
        self.source = source
        self.pairs: list[tuple[int, int]] = []

    def __call__(self, before: Frame, here: Frame) -> Motion:
        self.pairs.append((before.index, here.index))
        return self.source(before, here)


def marked(frames: list[Frame], cuts: tuple[int, ...] = (0,)) -> Iterator[tuple[Frame, Mark]]:
    return ((frame, Mark.CUT if frame.index in cuts else Mark.SAME) for frame in frames)


def test_each_frame_comes_once_in_order_and_each_pair_is_looked_at_once(
    noise_network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes_module, "SHOT_WARM_UP_FRAMES", 4)
    frames = [*panned(7), *panned(2, 5, 7), *panned(1, 6, 9), *panned(4, 7, 10)]
    dreamer = VideoDreamer(noise_network, OPTIONS, TWICE)
    counted = Counted(dreamer.motion)
    dreamer.motion = counted
    told: list[tuple[int, int]] = []
    cuts = (0, 7, 9, 10)
    dreams = list(dream_visible_frames(marked(frames, cuts), dreamer, lambda *n: told.append(n)))
    assert [(d.index, d.time) for d in dreams] == [(f.index, f.time) for f in frames]
    looked = [tuple(sorted(pair)) for pair in counted.pairs]
    assert sorted(looked) == [(n - 1, n) for n in range(1, 14) if n not in cuts]
    assert told[-1] == (3 + 1 + 0 + 3, 3 + 1 + 0 + 3)
    assert all(done <= known for done, known in told) and told == sorted(told)
    assert dreamer.motion is counted


def test_a_frame_alone_is_dreamed_as_ever(noise_network: Network) -> None:
    frame = panned(1)
    once = list(dream_video(frame, noise_network, None, OPTIONS, CarryOptions()))
    twice = list(dream_video(frame, noise_network, None, OPTIONS, TWICE))
    assert np.array_equal(once[0].picture, twice[0].picture)


def test_frames_are_read_no_further_than_the_run_up(noise_network: Network) -> None:
    read = 0

    def counted() -> Iterator[tuple[Frame, Mark]]:
        nonlocal read
        for pair in marked(panned(60)):
            read += 1
            yield pair

    few = DreamOptions(layer=("conv2/3x3",), octaves=1, iterations=1)
    dreams = dream_visible_frames(counted(), VideoDreamer(noise_network, few, TWICE))
    next(dreams)
    assert read <= SHOT_WARM_UP_FRAMES + 1


def test_a_flash_is_not_dreamed_ahead(noise_network: Network) -> None:
    frames = panned(6)
    flash = Frame(2, frames[2].time, np.full_like(frames[2].picture, 250))
    frames[2] = flash
    marks = [Mark.CUT, Mark.SAME, Mark.FLASH, Mark.SAME, Mark.SAME, Mark.FLASH]
    dreamer = VideoDreamer(noise_network, OPTIONS, TWICE)
    told: list[tuple[int, int]] = []
    pairs = zip(frames, marks, strict=True)
    dreams = list(dream_visible_frames(pairs, dreamer, lambda *n: told.append(n)))
    assert len(dreams) == 6 and told[-1] == (3, 3)


def test_the_beginning_is_as_strong_as_the_rest() -> None:
    """A dream that may grow: its first frames have less of it than those that follow."""
    network = load_network("pocket", None, "cpu")
    options = DreamOptions(layer=("inception_4c/output",), octaves=2, iterations=3)
    frames = panned(30)
    ratios = []
    for count in (1, 2):
        dreamer = VideoDreamer(
            network, options, CarryOptions(passes=count, cuts="none", firmness=0)
        )
        sizes = []
        for dreamed in dream_visible_frames(marker_of(dreamer.carry, None)(frames), dreamer):
            change = dreamed.picture.astype(np.float32) - frames[len(sizes)].picture
            sizes.append(float(np.abs(change).mean()))
        ratios.append(sizes[0] / np.mean(sizes[20:]))
    once, twice = ratios
    # Over five seeds, in float32 and in bfloat16: 0.50 to 0.56 once, and 0.87 to 0.97 twice.
    assert abs(twice - 1) < 0.16 and abs(twice - 1) < 0.4 * abs(once - 1), ratios


def test_remembered_motion_is_that_of_the_source_and_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    frames = panned(5)
    source = source_module.motion_source(CarryOptions(), torch.device("cpu"))
    counted = Counted(source)
    remembered = Remembered(counted)
    for later, earlier in zip(frames[:0:-1], frames[-2::-1], strict=True):
        remembered(later, earlier)
    for before, here in pairwise(frames):
        found, wanted = remembered(before, here), source(before, here)
        assert np.array_equal(found.backward, wanted.backward)
        assert np.array_equal(found.trust, wanted.trust)
    assert len(counted.pairs) == 4 and not remembered.kept
    monkeypatch.setattr(source_module, "KEPT_BYTES", 2 * 2 * wanted.backward.nbytes)
    for later, earlier in zip(frames[:0:-1], frames[-2::-1], strict=True):
        remembered(later, earlier)
    assert list(remembered.kept) == [(2, 1), (1, 0)], "the latest, which are wanted first"


def over_snow(count: int) -> list[Frame]:
    """Return a pan over ground that is blank but for the noise of each frame."""
    random, scene = np.random.default_rng(0), make_texture(128, 128 + 2 * count)
    frames: list[Frame] = []
    for number in range(count):
        picture = np.ascontiguousarray(scene[:, 2 * number : 2 * number + 128])
        picture[32:, 16:112] = random.normal(225, 2, (96, 96, 3)).clip(0, 255)
        frames.append(Frame(number, Fraction(number, 24), picture))
    return frames


def test_mended_motion_is_remembered_as_it_would_be_found_after_a_break() -> None:
    frames = over_snow(5)
    source = source_module.motion_source(CarryOptions(), torch.device("cpu"))
    remembered = Remembered(source)
    for later, earlier in zip(frames[:0:-1], frames[-2::-1], strict=True):
        remembered(later, earlier)
    for before, here in pairwise(frames):
        found, wanted = remembered(before, here), source(before, here)
        assert wanted.found is not None
        assert np.abs(wanted.backward - wanted.found).max() > 0.5, "it is mended"
        assert np.array_equal(found.backward, wanted.backward)
        assert np.array_equal(found.trust, wanted.trust)


def test_passes_and_loop_exclude_each_other() -> None:
    with pytest.raises(SettingsError, match="leave out --passes"):
        CarryOptions(passes=2, loop=True)


def test_the_command_counts_unseen_frames_too(
    tmp_path: Path, noise_network: Network, cli: Callable[..., CommandResult]
) -> None:
    from dreamflow.jobs.controls import RenderControls
    from dreamflow.jobs.render_video import render_video
    from dreamflow.pipelines.settings.groups import VideoSettings

    film = make_film(tmp_path / "film.mp4", frames=5)
    settings = VideoSettings(DreamOptions(layer=("conv2/3x3",), octaves=1, iterations=1), TWICE)
    told: list[tuple[int, int]] = []
    render_video(
        open_clip(film),
        tmp_path / "d.mp4",
        noise_network,
        settings,
        RenderControls(lambda *of: told.append(of)),
    )
    assert told == [(done, 9) for done in range(1, 10)]
    line = ("--octaves", "1", "--iterations", "1", "--layer", "conv2/3x3", "--passes", "2")
    run = cli("video", film, tmp_path / "e.mp4", *line)
    assert run.code == 0, run.err
    assert len(list(open_clip(tmp_path / "e.mp4"))) == 5
    assert cli("video", film, tmp_path / "f.mp4", *line, "--loop").code == 1
