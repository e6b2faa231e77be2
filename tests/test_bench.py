"""The bench counts right, times all it says, and compares with an earlier run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import SAMPLE_CLIP, CommandResult

from dreamflow.cli.commands.bench import parse_bench_size
from dreamflow.core.errors import DreamFlowError
from dreamflow.core.timing import StageTimes
from dreamflow.media.read.clip import open_clip
from dreamflow.networks.network import Network
from dreamflow.reports.bench.passes import (
    BENCH_LAYERS,
    bench_passes,
    build_baseline_convolution,
    compute_efficiency,
    count_pass_gflop,
)
from dreamflow.reports.bench.render import RenderTimings, startup_seconds, write_synthetic_scene
from dreamflow.temporal.flow.completion import complete_flow
from dreamflow.temporal.flow.estimators import estimate_dis
from dreamflow.temporal.gains import Gains
from dreamflow.temporal.shots import Mark, find_shots

Cli = Callable[..., CommandResult]


def test_operations_are_counted_as_by_hand(noise_network: Network) -> None:
    # 64 channels of 7x7x3 at each of 32x48 positions; twice for multiply and add, twice for both
    # directions.
    assert count_pass_gflop(noise_network, "conv1/7x7_s2", 64, 96) == pytest.approx(
        4 * 64 * 3 * 49 * 32 * 48 / 1e9
    )
    # A norm and a pool add none.
    assert count_pass_gflop(noise_network, "pool1/norm1", 64, 96) == pytest.approx(
        count_pass_gflop(noise_network, "conv1/7x7_s2", 64, 96)
    )
    assert count_pass_gflop(noise_network, "inception_4c/output", 360, 640) == pytest.approx(
        21.4, 0.01
    )


def test_each_layer_is_timed_in_each_round(noise_network: Network) -> None:
    done: list[int] = []
    wanted = ["conv1/7x7_s2", "inception_3a/1x1", "not there"]
    peak, figures = bench_passes(noise_network, 48, 64, wanted, 3, done.append)
    assert [figure.layer for figure in figures] == wanted[:2]
    assert all(len(f.round_ms) == 3 and min(f.round_ms) > 0 for f in [peak, *figures])
    assert compute_efficiency(peak, peak) == 1 and done[-1] == 3
    assert peak.gflop == pytest.approx(build_baseline_convolution(noise_network.device)[1])


def test_the_command_prints_and_compares(tmp_path: Path, cli: Cli) -> None:
    fast = ("bench", "--network", "googlenet", "--size", "64x48", "--rounds", "1")
    run = cli(*fast, "--json")
    assert run.code == 0, run.err
    passes = json.loads(run.out)["passes"]
    assert [row["layer"] for row in passes] == ["3x3 convolution", *BENCH_LAYERS]
    (tmp_path / "before.json").write_text(run.out)
    run = cli(*fast, "--layer", "conv2/3x3", "--against", tmp_path / "before.json")
    assert run.code == 0 and "times as fast" in run.out and "conv2/3x3" in run.out


def test_a_size_may_name_the_longer_side(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert parse_bench_size("640") == (640, 360) and parse_bench_size("64x48") == (64, 48)
    fast = ("bench", "--size", "96", "--layer", "conv1/7x7_s2", "--json", "--rounds", "1")
    assert json.loads(cli(*fast).out)["size"] == "96x54"
    monkeypatch.setattr(
        "dreamflow.reports.bench.render.startup_seconds", lambda clip, arguments: 2.5
    )
    assert json.loads(cli(*fast, "--render", "--frames", "2").out)["size"] == "96x54"


def test_the_made_scene_moves_as_it_says_and_is_one_shot(tmp_path: Path) -> None:
    write_synthetic_scene(tmp_path / "scene.mp4", 160, 96, 6)
    frames = list(open_clip(tmp_path / "scene.mp4"))
    assert [mark for _, mark in find_shots(frames)] == [Mark.CUT] + [Mark.SAME] * 5
    pair = frames[0].picture, frames[1].picture
    motion = complete_flow(estimate_dis(*pair), *pair, Gains())
    # It pans by 3 pixels; what crosses it covers a twelfth of it.
    assert abs(float(motion.backward[:, 0].median()) - 3) < 0.3
    assert 0.5 < motion.mean_confidence < 1


def test_the_stages_of_the_median_round_add_up() -> None:
    quick, middle, slow = StageTimes(), StageTimes(), StageTimes()
    middle.own_thread |= {"dream": 1.5, "waiting": 0.2}
    middle.other_threads |= {"flow": 0.9}
    figures = RenderTimings(10, [3.0, 1.0, 2.0], [slow, quick, middle])
    stages = figures.median_stage_times()
    assert sum(row["s"] for row in stages.values()) == pytest.approx(2)
    assert sum(row["share"] for row in stages.values()) == pytest.approx(1)
    assert stages["dream"] == {"s": 1.5, "share": 0.75, "beside_s": 0.0}
    assert stages["flow"] == {"s": 0.0, "share": 0.0, "beside_s": 0.9}
    assert stages["other"]["s"] == pytest.approx(0.3)


def test_a_whole_render_is_timed_and_compared(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "dreamflow.reports.bench.render.startup_seconds", lambda clip, arguments: 2.5
    )
    fast = ("bench", "--render", "--size", "64x48", "--frames", "5", "--layer", "conv1/7x7_s2")
    run = cli(*fast, "--rounds", "2", "--json")
    assert run.code == 0, run.err
    found = json.loads(run.out)
    render = found["render"]
    assert (found["size"], render["frames"], len(render["wall_s"])) == ("64x48", 5, 2)
    assert render["fps"] == pytest.approx(5 / min(render["wall_s"]), 0.01)
    stages = render["stages"]
    assert sum(row["share"] for row in stages.values()) == pytest.approx(1, abs=0.01)
    assert stages["dream"]["s"] > 0 and stages["encode"]["s"] > 0 and stages["write"]["s"] > 0
    for name in ("decode", "shots", "flow"):
        assert stages[name]["beside_s"] > 0 and stages[name]["s"] == 0, "is done ahead"
    assert render["startup_s"] == 2.5
    assert render["memory_mb"]["resident"] > 100 or sys.platform == "win32"
    (tmp_path / "before.json").write_text(run.out)
    run = cli(*fast[:-2], SAMPLE_CLIP, "--rounds", "1", "--against", tmp_path / "before.json")
    assert run.code == 0, run.err
    assert (
        "times as fast" in run.out and "5 frames: " in run.out and "outside of dreaming" in run.out
    )
    run = cli("bench", "--size", "64x48", "--against", tmp_path / "before.json")
    assert run.code == 1 and "no --json of `dreamflow bench`" in run.err


def test_a_new_process_that_fails_says_why() -> None:
    with pytest.raises(DreamFlowError, match="conv9"):
        startup_seconds(SAMPLE_CLIP, ["--layer", "conv9"])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--render", "none.mp4"), "none.mp4 does not exist"),
        (("--render", "--layer", "conv9"), "conv9"),
        (("--size", "large"), "--size 'large' is not a size: write 640x360, or 640 for the longer"),
        (("--layer", "conv9"), "conv9"),
        (("--against", "none.json"), "No such file"),
        (("--against", "."), "--against ."),
    ],
)
def test_what_cannot_be_is_said(cli: Cli, arguments: tuple[str, ...], says: str) -> None:
    run = cli("bench", *arguments)
    assert run.code == 1 and says in run.err and len(run.err.splitlines()) == 1
