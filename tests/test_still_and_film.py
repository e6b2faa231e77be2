"""A still and the film of it: where the film's dream will not stay as the still shows it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import SAMPLE_STILL, CommandResult, make_film
from temporal_scenes import GAINS, make_residual, make_settings, make_state

from dreamflow.temporal.control.bands import measure_bands
from dreamflow.temporal.control.effort_controller import settled_share
from dreamflow.temporal.flow.completion import still_motion
from dreamflow.temporal.options import CarryOptions
from dreamflow.temporal.stages.advect import advect
from dreamflow.temporal.stages.equalise import equalise
from dreamflow.temporal.state import CarriedDream

Cli = Callable[..., CommandResult]
QUICK = ("--layer", "conv1/7x7_s2", "--octaves", "1", "--iterations", "1", "--threads", "1")


@pytest.mark.parametrize(
    "carry", [CarryOptions(), CarryOptions(firmness=0.125), CarryOptions(firmness=0.2, decay=0.8)]
)
def test_a_dream_settles_where_it_is_foretold(carry: CarryOptions) -> None:
    residual = make_residual(96, 192)
    state, motion = make_state(CarriedDream.begin(residual, GAINS)), still_motion(96, 192, GAINS)
    settings = make_settings(carry=carry)
    for _ in range(60):
        state = equalise(advect(state, motion, settings, GAINS), motion, settings, GAINS)
    fresh, after = (measure_bands(one, GAINS) for one in (residual, state.dreams[0].residual))
    share = float(after.bands[-1] / fresh.bands[-1])
    assert share == pytest.approx(settled_share(carry, GAINS), rel=0.02)


@pytest.mark.parametrize(
    ("more", "is_said"),
    [
        ((), False),
        (("--firmness", "0"), True),
        (("--iteration-zoom", "0.5"), True),
        (("--firmness", "0", "--run-in", "2"), False),
        (("--firmness", "0", "--no-carry"), False),
    ],
)
def test_a_preview_says_where_the_film_will_differ(
    tmp_path: Path, cli: Cli, more: tuple[str, ...], is_said: bool
) -> None:
    film = make_film(tmp_path / "film.mp4", frames=4, size="96x64")
    run = cli("frame", film, tmp_path / "still.png", *QUICK, "--at", "3", *more)
    assert run.code == 0, run.err
    assert ("--run-in" in run.err) is is_said


def test_a_picture_has_no_film(tmp_path: Path, cli: Cli) -> None:
    run = cli(
        "frame", SAMPLE_STILL, tmp_path / "still.png", *QUICK, "--size", "96", "--firmness", "0"
    )
    assert run.code == 0, run.err
    assert "--run-in" not in run.err
