"""The sweep over gains of the temporal step."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import CommandResult, make_film

from dreamflow.core.errors import MediaError, SettingsError
from dreamflow.dream.options import DreamOptions
from dreamflow.media.read.open_clip import open_clip
from dreamflow.networks.network import Network
from dreamflow.reports.tune import GainTuner, make_gains, parse_gain_grid
from dreamflow.temporal.control.gains import Gains

Cli = Callable[..., CommandResult]
DREAM = DreamOptions(layer=("conv2/3x3",), octaves=1, iterations=4)
SMALL = ("--size", "64", "--end", "4", "--layer", "conv2/3x3", "--octaves", "1")


def test_grid_is_the_product_of_all_values() -> None:
    assert parse_gain_grid(()) == [{}]
    assert parse_gain_grid(["p_exponent=12,24", "fill_step=1", "fill_step=2"]) == [
        {"p_exponent": 12, "fill_step": 1},
        {"p_exponent": 12, "fill_step": 2},
        {"p_exponent": 24, "fill_step": 1},
        {"p_exponent": 24, "fill_step": 2},
    ]
    assert parse_gain_grid(["age_time=0.5 s"]) == [{"age_time": "0.5 s"}]


@pytest.mark.parametrize("text", ["p_exponent", "=1", "p_exponent=", "p_exponent=1,,2"])
def test_malformed_gain_is_refused(text: str) -> None:
    with pytest.raises(SettingsError) as error:
        parse_gain_grid([text])
    assert error.value.setting == "gain"


@pytest.mark.parametrize("text", ["p_exponnent=1", "p_exponent=-1", "p_exponent=1 s"])
def test_unknown_gain_or_bad_value_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="p_exponent"):
        parse_gain_grid([text])


def test_point_replaces_gains_of_the_base() -> None:
    base = Gains(p_exponent=3, fill_step=2.5)
    gains = make_gains({"fill_step": 3, "age_time": "0.5 s"}, base)
    assert (gains.p_exponent, gains.fill_step, gains.age_time) == (3, 3, 0.5)


def test_points_are_measured_against_the_naive_dream(
    tmp_path: Path, noise_network: Network
) -> None:
    clip = open_clip(make_film(tmp_path / "film.mp4", frames=5))
    tuner = GainTuner(clip, noise_network, DREAM)
    done: list[int] = []
    points = parse_gain_grid(["p_exponent=0,24"])
    results = [tuner.measure(point, done.append) for point in points]
    assert done == [1, 2, 3, 4, 5] * 2
    for result in results:
        assert result.excess_flicker is not None
        assert result.intensity is not None
        assert result.excess_flicker < 0.9
        assert 0.2 < result.intensity < 2
        assert result.seconds > 0


def test_clip_of_one_frame_is_refused(tmp_path: Path, noise_network: Network) -> None:
    clip = open_clip(make_film(tmp_path / "film.mp4", frames=1))
    with pytest.raises(MediaError, match=r"film\.mp4"):
        GainTuner(clip, noise_network, DREAM)


def test_command_prints_a_table_or_json(tmp_path: Path, cli: Cli) -> None:
    film = make_film(tmp_path / "film.mp4", frames=6)
    (tmp_path / "gains.toml").write_text("fill_step = 2.5\n")
    line = ("tune", film, *SMALL, "--gains", tmp_path / "gains.toml")
    run = cli(*line, "--gain", "p_exponent=12,24")
    assert run.code == 0, run.err
    for words in ("film.mp4: 4 frames of 64x48", "excess flicker", "p_exponent", "12", "24"):
        assert words in run.out
    report = json.loads(cli(*line, "--json").out)
    assert (report["frames"], report["size"]) == (4, "64x48")
    (point,) = report["points"]
    assert point["gains"] == {}
    assert set(point) > {"excess_flicker", "intensity", "sharpness", "seconds_per_carried_frame"}


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (("--gain", "p_exponnent=1"), "p_exponent"),
        (("--gain", "p_exponent"), "--gain"),
        (("--gains", "none.toml"), "none.toml"),
        (("--layer", "conv9"), "conv9"),
        (("--size", "large"), "large"),
    ],
)
def test_bad_input_is_refused_in_one_line(
    tmp_path: Path, cli: Cli, arguments: tuple[str, ...], culprit: str
) -> None:
    run = cli("tune", make_film(tmp_path / "film.mp4", frames=3), *arguments)
    assert run.code == 1
    assert culprit in run.err
    assert len(run.err.splitlines()) == 1
