"""What is made ahead comes in order, raises where it would have, and leaves no thread behind."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import SAMPLE_CLIP, make_texture
from dreamflow.pipelines.clip import VideoPipeline
from hypothesis import given
from hypothesis import strategies as st

import dreamflow
from dreamflow.core.errors import MediaError
from dreamflow.core.frames import Frame
from dreamflow.core.prefetch import prefetch
from dreamflow.core.timing import WAITING_STAGE, record_stage_times, time_stage
from dreamflow.dream.options import DreamOptions
from dreamflow.media.read.clip import Clip, open_clip
from dreamflow.media.stills import write_picture
from dreamflow.networks.network import Network
from dreamflow.pipelines import marked_frames as reading
from dreamflow.pipelines.two_pass import dream_visible_frames
from dreamflow.pipelines.video import VideoDreamer, marker_of
from dreamflow.temporal.flow.estimators import Motion
from dreamflow.temporal.flow.source import Foreseen, foresee
from dreamflow.temporal.options import CarryOptions

FAST = DreamOptions(layer=("conv2/3x3",), octaves=1, iterations=1, jitter=8)
CARRY = CarryOptions(carry_iterations=1)


@pytest.fixture(autouse=True)
def no_thread_stays() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if not thread.name.startswith("motion"):  # it ends with the dreamer that has it
            thread.join(10)
            assert not thread.is_alive(), thread


# --- the generator itself


@given(st.lists(st.integers()), st.integers(1, 5))
def test_the_same_items_come_in_the_same_order(items: list[int], depth: int) -> None:
    assert list(prefetch(iter(items), depth)) == items


def test_no_more_is_made_than_the_depth_and_none_before_it_is_asked_for() -> None:
    made: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    source = prefetch(numbers(), 3)
    assert not made
    taken = [next(source) for _ in range(5)]
    source.close()
    assert taken == [0, 1, 2, 3, 4] and 5 <= len(made) <= 5 + 3


def test_it_is_made_while_what_came_before_is_used() -> None:
    made = threading.Event()

    def two() -> Iterator[int]:
        yield 1
        made.set()
        yield 2

    source = prefetch(two(), 1)
    assert next(source) == 1
    assert made.wait(10), "the second is made though nobody has asked for it"
    assert list(source) == [2]


class Trouble(RuntimeError):
    """What goes wrong in the thread."""


def troubled() -> Iterator[int]:
    yield from (1, 2)
    raise Trouble("here")


def test_an_error_comes_where_it_would_have_come_with_its_class_and_origin() -> None:
    taken: list[int] = []
    with pytest.raises(Trouble, match="here") as raised:
        for number in prefetch(troubled()):
            taken.append(number)
    assert taken == [1, 2]
    assert raised.traceback[-1].name == "troubled"


def test_what_is_read_is_closed_when_the_reader_breaks_off() -> None:
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            yield from iter(int, 1)
        finally:
            closed.set()

    for number, _ in enumerate(prefetch(endless())):
        if number == 4:
            break
    assert closed.wait(10)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="timed signals")
def test_ctrl_c_does_not_wait_for_what_is_not_there_yet() -> None:
    """One item is waited for, the one that is being made, and none is begun."""
    begun: list[int] = []

    def slow() -> Iterator[int]:
        for number in range(100):
            begun.append(number)
            time.sleep(0.3)
            yield number

    def interrupt() -> None:
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        list(prefetch(slow()))
    assert begun == [0]


# --- dreams


def dreams_of(clip: Clip, network: Network, carry: CarryOptions) -> list[Frame]:
    return list(dreamflow.dream_video(clip, network, None, FAST, carry))


@pytest.mark.parametrize(
    "carry",
    [
        CARRY,
        replace(CARRY, passes=2),
        replace(CARRY, flow="farneback"),
        replace(CARRY, carry=False),
        replace(CARRY, cuts="none"),
    ],
    ids=["once", "two passes", "farneback", "no carry", "no cuts"],
)
def test_dreams_are_those_of_one_thread(
    noise_network: Network, carry: CarryOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = open_clip(SAMPLE_CLIP, size="64", end=14)
    found = dreams_of(clip, noise_network, carry)
    # Frames in a list are not read ahead, and no motion is foreseen.
    monkeypatch.setattr("dreamflow.pipelines.two_pass.foresee", lambda *pair: None)
    dreamer = VideoDreamer(noise_network, FAST, carry, clip.timeline)
    plain = list(dream_visible_frames(marker_of(carry, None)(list(clip)), dreamer))
    assert [f.index for f in found] == [f.index for f in plain] == list(range(14))
    assert all(np.array_equal(a.picture, b.picture) for a, b in zip(found, plain, strict=True))


def test_motion_is_found_once_a_pair_and_ahead(
    noise_network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    dreamer = VideoDreamer(noise_network, FAST, CARRY)
    source = dreamer.motion
    assert isinstance(source, Foreseen)
    asked: list[tuple[int, int, bool]] = []
    within = source.source

    def counted(before: Frame, here: Frame) -> Motion:
        main = threading.current_thread() is threading.main_thread()
        asked.append((before.index, here.index, main))
        return within(before, here)

    source.source = counted
    clip = open_clip(SAMPLE_CLIP, size="64", end=8)
    assert len(list(dream_visible_frames(marker_of(CARRY, None)(clip), dreamer))) == 8
    assert asked == [(n, n + 1, False) for n in range(7)]


def test_motion_that_was_foreseen_in_vain_is_not_taken_for_another() -> None:
    pictures = [make_texture(40, 50, seed) for seed in range(3)]
    frames = [Frame(n, n, picture) for n, picture in enumerate(pictures)]  # type: ignore[arg-type]

    def told(before: Frame, here: Frame) -> Motion:
        return Motion.none(before.index + 2, here.index + 2)

    source = Foreseen(told)
    for pair in ((0, 1), (1, 2), (0, 2), (2, 0)):
        foresee(source, frames[pair[0]], frames[pair[1]])
    for before, here in ((0, 2), (0, 1), (2, 0), (1, 2), (1, 2)):
        assert source(frames[before], frames[here]).trust.shape == (before + 2, here + 2)
    # After a flash a frame goes by another number: a folder of flow has none for it.
    foresee(source, frames[1], frames[2])
    assert source(replace(frames[1], index=-1), frames[2]).trust.shape == (1, 4)


def test_trouble_in_the_thread_of_the_motion_is_raised() -> None:
    def lost(before: Frame, here: Frame) -> Motion:
        raise MediaError("there is no such flow")

    source, frame = Foreseen(lost), Frame(0, 0, make_texture(20, 20))  # type: ignore[arg-type]
    foresee(source, frame, frame)
    with pytest.raises(MediaError, match="no such flow"):
        source(frame, frame)


# --- what a job saves


@pytest.mark.parametrize("given", [False, True], ids=["found", "given cuts"])
@pytest.mark.parametrize("passes", [1, 2])
def test_a_state_tells_of_the_frame_shown_and_not_of_what_was_read(
    noise_network: Network, monkeypatch: pytest.MonkeyPatch, given: bool, passes: int
) -> None:
    """However far the reader has come, the states are those of a journey that reads no more."""
    clip = open_clip(SAMPLE_CLIP, size="64", end=10)
    carry = replace(CARRY, passes=passes)

    def journey() -> VideoPipeline:
        dreamer = VideoDreamer(noise_network, FAST, carry, clip.timeline)
        return VideoPipeline(clip.frames_from, 10, dreamer, marker_of(carry, [] if given else None))

    def states(one: VideoPipeline, slow: bool) -> list[dict[str, object]]:
        found = []
        for frame in one:
            time.sleep(0.02 if slow else 0)
            if frame is not None:
                state = one.state()
                marker = {k: v for k, v in state["marker"].items() if k != "gray"}
                found.append({k: state[k] for k in ("done", "shown", "read")} | marker)
        return found

    slow = states(journey(), True)
    monkeypatch.setattr(reading, "prefetch", lambda items, **_: (item for item in items))
    plain = states(journey(), False)
    assert slow == plain and [state["shown"] for state in plain] == list(range(1, 11))
    reads = 1 if given else 4
    assert [state["read"] for state in plain] == [min(10, n + reads) for n in range(10)]


def test_a_render_that_is_struck_while_frames_were_read_ahead_goes_on_exactly(
    noise_network: Network,
) -> None:
    clip = open_clip(SAMPLE_CLIP, size="64", end=10)

    def journey() -> VideoPipeline:
        dreamer = VideoDreamer(noise_network, FAST, CARRY, clip.timeline)
        return VideoPipeline(clip.frames_from, 10, dreamer, marker_of(CARRY, None))

    whole = [frame.picture for frame in journey() if frame is not None]
    for shown in (1, 4, 9):
        begun = journey()
        frames = iter(begun)
        for _ in range(shown):
            next(frames)
        time.sleep(0.1)
        state = begun.state()
        frames.close()  # type: ignore[attr-defined]
        again = journey()
        again.restore(state)
        rest = [frame.picture for frame in again if frame is not None]
        assert len(rest) == 10 - shown
        assert all(np.array_equal(a, b) for a, b in zip(whole[shown:], rest, strict=True))


def test_a_picture_that_is_damaged_fails_at_its_own_frame(
    tmp_path: Path, noise_network: Network
) -> None:
    for number in range(12):
        write_picture(tmp_path / f"{number:02d}.png", make_texture(40, 60, number))
    (tmp_path / "09.png").write_bytes((tmp_path / "09.png").read_bytes()[:200])
    carry = replace(CARRY, cuts="none", carry=False)
    seen = 0
    with pytest.raises(MediaError, match=r"09\.png is damaged"):
        for _ in dreamflow.dream_video(open_clip(tmp_path), noise_network, None, FAST, carry):
            seen += 1
    assert seen == 9


# --- where the time goes


def test_each_stage_counts_its_own_time() -> None:
    def in_thread() -> Iterator[int]:
        with time_stage("read"):
            time.sleep(0.05)
        yield 1

    started = time.perf_counter()
    with record_stage_times() as ledger:
        with time_stage("dream"):
            time.sleep(0.05)
            with time_stage("flow"):
                time.sleep(0.1)
        assert list(prefetch(in_thread())) == [1]
    whole = time.perf_counter() - started
    assert set(ledger.own_thread) == {"dream", "flow", WAITING_STAGE} and set(
        ledger.other_threads
    ) == {"read"}
    assert ledger.own_thread["dream"] > 0.04 and ledger.own_thread["flow"] > 0.09
    assert sum(ledger.own_thread.values()) <= whole, "what is within is not counted twice"
    before = dict(ledger.own_thread)
    with time_stage("dream"):
        pass
    assert dict(ledger.own_thread) == before, "nobody asks any more"
