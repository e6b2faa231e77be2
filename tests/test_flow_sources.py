"""Where motion comes from: found in a thread ahead of its use, and cached for the way back."""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import make_texture
from temporal_scenes import GAINS, make_frames, make_pan

from dreamflow.core.errors import DreamFlowError, MediaError
from dreamflow.core.frames import Frame
from dreamflow.core.timing import WAITING_STAGE, StageTimes
from dreamflow.dream.options import DreamOptions
from dreamflow.networks.network import Network
from dreamflow.pipelines.video.carry_over_frames import VideoDreamer
from dreamflow.temporal.flow.estimators import estimate_dis
from dreamflow.temporal.flow.flow_pair import FlowPair
from dreamflow.temporal.flow.source import CachedFlow, FlowSource, MotionSource, open_motion_source
from dreamflow.temporal.motion.motion import Motion
from dreamflow.temporal.options import CarryOptions

CPU = torch.device("cpu")


class CountedFlow:
    """A source of flow that counts the pairs that it is asked for."""

    def __init__(self) -> None:
        self.pairs: list[tuple[int, int]] = []
        self.threads: set[threading.Thread] = set()

    def __call__(self, before: Frame, here: Frame) -> FlowPair:
        self.pairs.append((before.index, here.index))
        self.threads.add(threading.current_thread())
        return estimate_dis(before.picture, here.picture)


def numbered_flow(before: Frame, here: Frame) -> FlowPair:
    """Return a flow whose size says which pair it is of."""
    flow = np.zeros((before.index + 2, here.index + 2, 2), np.float32)
    return FlowPair(flow, flow)


def size_of(motion: Motion) -> tuple[int, int]:
    return motion.backward.shape[2], motion.backward.shape[3]


def go_back(source: FlowSource | MotionSource, frames: list[Frame]) -> None:
    """Ask for the motion between frames played backwards."""
    for later, earlier in pairwise(reversed(frames)):
        source(later, earlier)


@pytest.fixture
def frames() -> list[Frame]:
    return make_frames(make_pan(5, 2, 0, 40, 48))


# --- Opening


@pytest.mark.parametrize("flow", [{"flow": "raft"}, {"flow_dir": "nowhere"}])
def test_flow_that_is_not_there_is_not_missed_where_nothing_is_carried(
    noise_network: Network, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, flow: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in ("DREAMFLOW_HOME", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path))
    dreamer = VideoDreamer(noise_network, DreamOptions(), CarryOptions(carry=False, **flow))
    assert not dreamer.carry.carry
    with pytest.raises(DreamFlowError):
        VideoDreamer(noise_network, DreamOptions(), CarryOptions(**flow))


@pytest.mark.parametrize("flow", ["dis", "farneback"])
def test_equal_frames_have_no_motion(flow: str) -> None:
    picture = make_texture(40, 50)
    motion = open_motion_source(CarryOptions(flow=flow), CPU, GAINS)(*make_frames([picture] * 2))
    assert not motion.backward.any()
    assert motion.mean_confidence == 1


# --- Prefetching


@pytest.mark.parametrize("prefetches", [True, False])
def test_flow_is_found_in_a_thread_of_its_own_where_that_is_of_use(
    frames: list[Frame], prefetches: bool
) -> None:
    flow = CountedFlow()
    source = MotionSource(flow, GAINS, prefetches=prefetches)
    source.prefetch(frames[0], frames[1])
    source(frames[0], frames[1])
    assert flow.pairs == [(0, 1)]
    assert (flow.threads == {threading.main_thread()}) == (not prefetches)


def test_motion_that_was_prefetched_in_vain_is_not_taken_for_another(frames: list[Frame]) -> None:
    source = MotionSource(numbered_flow, GAINS)
    for before, here in ((0, 1), (1, 2), (0, 2), (2, 0)):
        source.prefetch(frames[before], frames[here])
    for before, here in ((0, 2), (0, 1), (2, 0), (1, 2), (1, 2)):
        assert size_of(source(frames[before], frames[here])) == (before + 2, here + 2)
    # After a flash a frame goes by another number: a folder of flow has none for it.
    source.prefetch(frames[1], frames[2])
    assert size_of(source(replace(frames[1], index=-1), frames[2])) == (1, 4)


def test_an_error_in_the_thread_is_raised_where_the_motion_is_asked_for(
    frames: list[Frame],
) -> None:
    def fail(before: Frame, here: Frame) -> FlowPair:
        raise MediaError("there is no such flow", where="a.flo")

    source = MotionSource(fail, GAINS)
    source.prefetch(frames[0], frames[1])
    with pytest.raises(MediaError) as error:
        source(frames[0], frames[1])
    assert error.value.where == "a.flo"


def test_the_time_of_flow_and_of_waiting_for_it_is_counted(frames: list[Frame]) -> None:
    times = StageTimes()
    MotionSource(CountedFlow(), GAINS, times=times)(frames[0], frames[1])
    assert set(times.own_thread) == {WAITING_STAGE}
    assert set(times.other_threads) == {"flow"}


# --- Caching


def test_cached_flow_is_that_of_the_source_and_used_once(frames: list[Frame]) -> None:
    counted = CountedFlow()
    cache = CachedFlow(counted)
    go_back(cache, frames)
    assert len(cache) == 4
    for before, here in pairwise(frames):
        cached, expected = cache(before, here), estimate_dis(before.picture, here.picture)
        assert np.array_equal(cached.backward, expected.backward)
        assert np.array_equal(cached.forward, expected.forward)
    assert len(counted.pairs) == 4
    assert len(cache) == 0


def test_a_full_cache_drops_its_oldest_pairs(frames: list[Frame]) -> None:
    """The latest ones are asked for first on the way back."""
    counted = CountedFlow()
    nbytes = estimate_dis(frames[0].picture, frames[1].picture).nbytes
    cache = CachedFlow(counted, max_bytes=2 * nbytes)
    go_back(cache, frames)
    assert len(cache) == 2
    counted.pairs.clear()
    for before, here in pairwise(frames[:3]):
        cache(before, here)
    assert counted.pairs == []


def test_a_pair_over_a_flash_is_not_cached(frames: list[Frame]) -> None:
    cache = CachedFlow(CountedFlow())
    cache(replace(frames[0], index=-1), frames[1])
    assert len(cache) == 0


def make_snow_pan(count: int) -> list[Frame]:
    """Return a pan over ground that is blank but for the noise of each frame."""
    random = np.random.default_rng(0)
    pictures = make_pan(count, -2, 0, 128, 128)
    for picture in pictures:
        picture[32:, 16:112] = random.normal(225, 2, (96, 96, 3)).clip(0, 255)
    return make_frames(pictures)


def test_motion_of_cached_flow_is_completed_as_after_a_break() -> None:
    frames = make_snow_pan(4)
    carry = CarryOptions()
    source, fresh = (open_motion_source(carry, CPU, GAINS) for _ in range(2))
    source.start_caching()
    go_back(source, frames)
    for before, here in pairwise(frames):
        cached, expected = source(before, here), fresh(before, here)
        estimated = torch.from_numpy(estimate_dis(before.picture, here.picture).backward)
        change = expected.backward[0].permute(1, 2, 0) - estimated
        assert change.abs().max() > 0.5, "it is completed"
        assert torch.equal(cached.backward, expected.backward)
        assert torch.equal(cached.confidence, expected.confidence)
    source.stop_caching()
