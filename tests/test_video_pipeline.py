"""A clip's pipeline: read ahead without changing a dream, resumed to the bit."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from conftest import PATIENCE_S, SAMPLE_CLIP, make_texture

import dreamflow
from dreamflow.core.errors import MediaError
from dreamflow.core.frames import Frame
from dreamflow.core.timing import IGNORED_STAGE_TIMES, WAITING_STAGE, StageTimes
from dreamflow.dream.options import DreamOptions
from dreamflow.media.read.clip import Clip
from dreamflow.media.read.open_clip import open_clip
from dreamflow.media.stills.write import write_picture
from dreamflow.networks.network import Network
from dreamflow.pipelines.dreamer_controls import DreamerControls
from dreamflow.pipelines.video.carry_over_frames import VideoDreamer
from dreamflow.pipelines.video.pipeline import VideoPipeline, make_detector
from dreamflow.temporal.flow.estimators import estimate_dis
from dreamflow.temporal.flow.flow_pair import FlowPair
from dreamflow.temporal.flow.source import MotionSource
from dreamflow.temporal.options import CarryOptions
from dreamflow.temporal.shots import FLASH_FRAMES

FAST_DREAM = DreamOptions(layer=("conv2/3x3",), octaves=1, iterations=1, jitter=8)
CARRY = CarryOptions(carry_iterations=1, uncover_iterations=1)
FRAMES = 10


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if not thread.name.startswith("motion"):  # it ends with the dreamer that has it
            thread.join(PATIENCE_S)
            assert not thread.is_alive(), thread


@pytest.fixture
def clip() -> Clip:
    return open_clip(SAMPLE_CLIP, size="64", end=FRAMES)


def make_pipeline(
    clip: Clip,
    network: Network,
    carry: CarryOptions = CARRY,
    cuts: list[Fraction] | None = None,
    *,
    in_thread: bool = True,
    times: StageTimes = IGNORED_STAGE_TIMES,
) -> VideoPipeline:
    """Return the pipeline of a clip; `cuts` None finds them."""
    controls = DreamerControls(stage_times=times)
    dreamer = VideoDreamer(network, FAST_DREAM, carry, clip.timeline, controls)
    detector = make_detector(carry, cuts)
    return VideoPipeline(clip.frames_from, FRAMES, dreamer, detector, in_thread=in_thread)


def pictures_of(pipeline: VideoPipeline) -> list[np.ndarray]:
    """Return the dreams that a pipeline shows."""
    return [frame.picture for frame in pipeline if frame is not None]


# --- Reading ahead


@pytest.mark.parametrize(
    "carry",
    [
        CARRY,
        replace(CARRY, passes=2),
        replace(CARRY, flow="farneback"),
        replace(CARRY, carry=False),
        replace(CARRY, cuts="none"),
    ],
    ids=["one pass", "two passes", "farneback", "no carry", "no cuts"],
)
def test_dreams_are_those_of_one_thread(
    noise_network: Network, clip: Clip, carry: CarryOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    dreams = list(dreamflow.dream_video(clip, noise_network, None, FAST_DREAM, carry))
    monkeypatch.setattr(MotionSource, "prefetch", lambda source, before, here: None)
    plain = pictures_of(make_pipeline(clip, noise_network, carry, in_thread=False))
    assert [frame.index for frame in dreams] == list(range(FRAMES))
    assert np.array_equal([frame.picture for frame in dreams], plain)


def test_motion_is_found_once_a_pair_in_a_thread(noise_network: Network, clip: Clip) -> None:
    asked: list[tuple[int, int]] = []
    threads: set[threading.Thread] = set()

    def estimate(before: Frame, here: Frame) -> FlowPair:
        asked.append((before.index, here.index))
        threads.add(threading.current_thread())
        return estimate_dis(before.picture, here.picture)

    dreamer = VideoDreamer(noise_network, FAST_DREAM, CARRY)
    dreamer.motion = MotionSource(estimate, dreamer.gains)
    pipeline = VideoPipeline(clip.frames_from, FRAMES, dreamer, make_detector(CARRY, None))
    assert len(pictures_of(pipeline)) == FRAMES
    assert asked == [(n, n + 1) for n in range(FRAMES - 1)]
    assert threading.main_thread() not in threads


def test_each_stage_is_timed_in_its_thread(noise_network: Network, clip: Clip) -> None:
    times = StageTimes()
    pictures_of(make_pipeline(clip, noise_network, times=times))
    assert set(times.own_thread) == {"dream", WAITING_STAGE}
    assert set(times.other_threads) == {"decode", "shots", "flow"}


def test_a_wrong_picture_fails_at_its_own_frame(tmp_path: Path, noise_network: Network) -> None:
    for number in range(12):
        write_picture(tmp_path / f"{number:02d}.png", make_texture(40, 60, number))
    clip = open_clip(tmp_path)
    write_picture(tmp_path / "09.png", make_texture(20, 30))  # another size than when it was opened
    carry = replace(CARRY, cuts="none", carry=False)
    dreams = dreamflow.dream_video(clip, noise_network, None, FAST_DREAM, carry)
    shown: list[int] = []
    with pytest.raises(MediaError, match=r"09\.png"):
        shown.extend(dreamed.index for dreamed in dreams)
    assert shown == list(range(9))


# --- Resuming


@pytest.mark.parametrize("cuts", [None, []], ids=["found cuts", "given cuts"])
@pytest.mark.parametrize("passes", [1, 2])
def test_a_state_is_of_the_frame_shown_however_far_was_read(
    noise_network: Network, clip: Clip, cuts: list[Fraction] | None, passes: int
) -> None:
    carry = replace(CARRY, passes=passes)

    def states(in_thread: bool, pause_s: float) -> list[dict[str, object]]:
        pipeline = make_pipeline(clip, noise_network, carry, cuts, in_thread=in_thread)
        found: list[dict[str, object]] = []
        for frame in pipeline:
            time.sleep(pause_s)
            if frame is not None:
                state = pipeline.state()
                detector = {k: v for k, v in state["marker"].items() if k != "gray"}
                found.append({k: state[k] for k in ("done", "shown", "read")} | detector)
        return found

    plain = states(in_thread=False, pause_s=0)
    assert states(in_thread=True, pause_s=0.02) == plain
    assert [state["shown"] for state in plain] == list(range(1, FRAMES + 1))
    reads = 1 + (FLASH_FRAMES if cuts is None else 0)
    assert [state["read"] for state in plain] == [min(FRAMES, n + reads) for n in range(FRAMES)]


@pytest.mark.parametrize("shown", [1, 4, 9])
@pytest.mark.parametrize("passes", [1, 2])
def test_a_resumed_pipeline_is_bit_identical(
    noise_network: Network, clip: Clip, passes: int, shown: int
) -> None:
    """Also where frames were read ahead when it was broken off."""
    carry = replace(CARRY, passes=passes)
    whole = pictures_of(make_pipeline(clip, noise_network, carry))
    broken = make_pipeline(clip, noise_network, carry)
    frames = iter(broken)
    for _ in range(shown):
        while next(frames) is None:
            pass
    time.sleep(0.05)
    state = broken.state()
    frames.close()
    resumed = make_pipeline(clip, noise_network, carry)
    resumed.restore(state)
    rest = pictures_of(resumed)
    assert len(rest) == FRAMES - shown
    assert np.array_equal(whole[shown:], rest)
