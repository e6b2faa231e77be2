"""A loop's last frame leads into its first, as well as any frame into the next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import CommandResult, make_texture
from temporal_scenes import SMALL_DREAM, make_frames

from dreamflow.core.errors import DreamFlowWarning, SettingsError
from dreamflow.core.frames import Frame
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.stills.write import write_picture
from dreamflow.networks.network import Network
from dreamflow.pipelines.video.carry_over_frames import VideoDreamer
from dreamflow.pipelines.video.loop import LoopPipeline
from dreamflow.pipelines.video.pipeline import make_detector
from dreamflow.reports.coherence.warp_error import warp_error
from dreamflow.temporal.options import CarryOptions
from dreamflow.temporal.shots import Mark

CARRY = CarryOptions(carry_iterations=2, loop=True)


def make_swing(count: int = 16) -> list[Frame]:
    """Return frames of a camera that goes round a circle: the last is next to the first."""
    scene = make_texture(140, 140)
    angles = np.arange(count) * 2 * np.pi / count
    offsets = [(round(20 + 12 * np.sin(a)), round(20 + 12 * np.cos(a))) for a in angles]
    return make_frames([np.ascontiguousarray(scene[y : y + 96, x : x + 96]) for y, x in offsets])


def make_loop(network: Network, frames: list[Frame]) -> LoopPipeline:
    """Return the loop of some frames."""
    dreamer = VideoDreamer(network, SMALL_DREAM, CARRY)
    return LoopPipeline(
        lambda start: frames[start:], len(frames), dreamer, lambda: make_detector(CARRY, None)
    )


def flicker(frames: list[Frame], dreams: list[Frame], number: int) -> float:
    """Return the warping error of a frame's dream to the one before; of 0, to the last."""
    pairs = [[clip[number - 1].picture, clip[number].picture] for clip in (frames, dreams)]
    return warp_error(*pairs)


def test_the_end_leads_into_the_beginning(noise_network: Network) -> None:
    frames = make_swing()
    first_round, second_round = np.split(np.array(list(make_loop(noise_network, frames))), 2)
    assert all(dream is None for dream in first_round)
    dreams = list(second_round)
    assert [dream.index for dream in dreams] == [frame.index for frame in frames]
    plain = VideoDreamer(noise_network, SMALL_DREAM, CarryOptions(carry_iterations=2))
    once = [plain(f, Mark.SAME if n else Mark.CUT) for n, f in enumerate(frames)]
    pairs = [flicker(frames, dreams, n) for n in range(1, len(frames))]
    assert flicker(frames, dreams, 0) < 1.3 * max(pairs), "the seam is like any other step"
    assert flicker(frames, dreams, 0) < 0.7 * flicker(frames, once, 0), "better than without"


def test_a_resumed_loop_is_bit_identical(noise_network: Network) -> None:
    frames = make_swing(6)
    whole = list(make_loop(noise_network, frames))
    broken = make_loop(noise_network, frames)
    coming, done = iter(broken), 0
    for stop in (2, 6, 9):
        for _ in range(stop - done):
            next(coming)
        state, done = broken.state(), stop
        resumed = make_loop(noise_network, frames)
        resumed.restore(state)
        rest = list(resumed)
        assert len(rest) == len(whole) - done
        for one, other in zip(whole[done:], rest, strict=True):
            assert (one is None) == (other is None)
            assert one is None or other is None or np.array_equal(one.picture, other.picture)


def test_a_clip_that_does_not_close_is_warned_of(noise_network: Network) -> None:
    frames = [*make_swing(4), *make_frames([make_texture(96, 96, seed=9)] * 5)[4:]]
    with pytest.warns(DreamFlowWarning, match="does not lead into its first"):
        assert len(list(make_loop(noise_network, frames))) == 10


def test_an_empty_clip_is_refused(noise_network: Network) -> None:
    with pytest.raises(SettingsError):
        list(make_loop(noise_network, []))


def test_the_command_makes_a_loop(tmp_path: Path, cli: Callable[..., CommandResult]) -> None:
    (tmp_path / "swing").mkdir()
    for frame in make_swing(6):
        write_picture(tmp_path / "swing" / f"{frame.index}.png", frame.picture)
    small = ("--octaves", "1", "--iterations", "1", "--layer", "conv2/3x3")
    run = cli("video", tmp_path / "swing", tmp_path / "loop.gif", "--loop", *small)
    assert run.code == 0, run.err
    assert len(list(open_clip(tmp_path / "loop.gif"))) == 6
