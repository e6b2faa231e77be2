"""Progress is reported step by step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from fractions import Fraction

import pytest
from conftest import SAMPLE_CLIP, make_texture

import dreamflow
from dreamflow.core.frames import Frame
from dreamflow.dream.options import DreamOptions
from dreamflow.dream.progress import FrameProgress, StepCounter
from dreamflow.media.options import ClipOptions
from dreamflow.media.read.single_frame import open_frames_up_to
from dreamflow.networks.network import Network
from dreamflow.pipelines.image import dream_image
from dreamflow.reports.preview import estimate_preview_steps, render_preview
from dreamflow.temporal.options import CarryOptions

PICTURE = make_texture(48, 64)
FRAME = Frame(0, Fraction(0), PICTURE)


@pytest.mark.parametrize("run_in", [0, 2])
def test_a_preview_reports_each_step(noise_network: Network, run_in: int) -> None:
    frames = open_frames_up_to(SAMPLE_CLIP, "4", run_in, ClipOptions(size="96"))
    options = DreamOptions(layer=("conv2/3x3", "pool1/3x3_s2"), octaves=2, iterations=3)
    reported: list[int] = []
    render_preview(frames, noise_network, options, CarryOptions(), reported.append)
    total = sum(estimate_preview_steps(frames, options, CarryOptions()))
    assert total == 2 * (6 + run_in * 4), "two layers, each a picture of the sheet"
    assert reported == sorted(reported), "a carried frame may take fewer steps than estimated"
    assert (reported[0], reported[-1]) == (1, total)
    assert run_in or sorted(set(reported)) == list(range(1, total + 1))


def test_an_image_calls_on_step_after_each_step(noise_network: Network) -> None:
    calls: Counter[str] = Counter()
    options = DreamOptions(layer=("conv2/3x3",), octaves=2, iterations=3)
    picture = make_texture(64, 64)
    dream_image(picture, noise_network, options=options, on_step=lambda: calls.update(["step"]))
    assert calls["step"] == 6


class Stopped(Exception):
    """What a caller raises to end a dream."""


@pytest.mark.parametrize(
    "dream",
    [
        lambda network, **dream: [dreamflow.dream_image(PICTURE, network, **dream)],
        lambda network, **dream: dreamflow.dream_video([FRAME], network, **dream),
        lambda network, **dream: dreamflow.dream_sweep(
            PICTURE, network, layers=dream.pop("layer"), seconds=0.1, **dream
        ),
        lambda network, **dream: dreamflow.dream_zoom(PICTURE, network, seconds=0.1, **dream),
    ],
    ids=["image", "video", "sweep", "zoom"],
)
def test_what_a_callback_raises_ends_any_dream_within_a_frame(
    dream: Callable[..., Iterable[object]], noise_network: Network
) -> None:
    steps = 0

    def stop_at_the_third() -> None:
        nonlocal steps
        steps += 1
        if steps == 3:
            raise Stopped

    few = {"layer": "conv1/7x7_s2", "octaves": 2, "iterations": 4}
    with pytest.raises(Stopped):
        list(dream(noise_network, on_step=stop_at_the_third, **few))
    assert steps == 3


def test_a_part_with_fewer_or_more_steps_than_expected_ends_where_it_should() -> None:
    reported: list[int] = []
    steps = StepCounter([3, 2], reported.append)
    for count in (2, 5):  # one step less than expected, then three more
        for _ in range(count):
            steps.step()
        steps.finish_parts(steps.parts_done + 1)
    assert reported == [1, 2, 3, 4, 5, 5]


def test_frame_progress_reports_the_fraction_of_the_current_frame() -> None:
    reported: list[float] = []
    progress = FrameProgress(lambda done, total: reported.append(done), 4, 1)
    progress.finish_frames(0, 3)
    for _ in range(3):
        progress.step()
    progress.finish_frames(1, 3)
    for _ in range(2):
        progress.step()
    progress.finish_frames(2, 3)
    assert reported == [0, 0.25, 0.5, 0.75, 1, 1.95, 1.95, 2]
