"""Who waits for a dream sees each step of it."""

from __future__ import annotations

import pytest
from conftest import SAMPLE_CLIP

from dreamflow.dream.options import DreamOptions
from dreamflow.dream.progress import FrameProgress, StepCounter, call_on_step, tick
from dreamflow.media.read.single_frame import open_frames_up_to
from dreamflow.networks.network import Network
from dreamflow.reports.preview import estimate_preview_steps, render_preview
from dreamflow.temporal.options import CarryOptions


@pytest.mark.parametrize("run_in", [0, 2])
def test_a_preview_tells_of_each_step(noise_network: Network, run_in: int) -> None:
    frames = open_frames_up_to(SAMPLE_CLIP, "4", run_in, "96")
    options = DreamOptions(layer=("conv2/3x3", "pool1/3x3_s2"), octaves=2, iterations=3)
    told: list[int] = []
    render_preview(frames, noise_network, options, CarryOptions(), told.append)
    total = sum(estimate_preview_steps(frames, options, CarryOptions()))
    assert total == 2 * (6 + run_in * 4), "of each of the two layers of the sheet"
    assert sorted(set(told)) == list(range(1, total + 1)) and told == sorted(told)


def test_an_octave_left_out_and_more_steps_than_expected_do_no_harm() -> None:
    told: list[int] = []
    steps = StepCounter([3, 2], told.append)
    for count in (2, 5):  # one less than expected, then three more
        for _ in range(count):
            steps.step()
        steps.finish_parts(steps.parts_done + 1)
    assert told == [1, 2, 3, 4, 5, 5]


def test_a_follower_is_let_go() -> None:
    told: list[int] = []
    with call_on_step(lambda: told.append(1)):
        tick()
    tick()
    assert told == [1]


def test_the_share_of_a_frame_is_told_until_it_is_done() -> None:
    told: list[float] = []
    within = FrameProgress(lambda done, total: told.append(done), 4, 1)
    within.finish_frames(0, 3)
    for _ in range(3):
        within.step()
    within.finish_frames(1, 3)
    for _ in range(2):
        within.step()
    within.finish_frames(2, 3)
    assert told == [0, 0.25, 0.5, 0.75, 1, 1.95, 1.95, 2]
