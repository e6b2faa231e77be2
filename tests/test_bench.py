"""Benchmarks: counted operations, timed passes and renders, and the comparison of two runs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import SAMPLE_CLIP, CommandResult

from dreamflow.cli.commands.bench import parse_bench_size
from dreamflow.core.errors import DreamFlowError
from dreamflow.core.timing import StageTimes
from dreamflow.networks.network import Network
from dreamflow.reports.bench.passes import (
    BENCH_LAYERS,
    bench_passes,
    build_baseline_convolution,
    compute_efficiency,
    count_pass_gflop,
)
from dreamflow.reports.bench.render import RenderTimings, startup_seconds, synthesise_scene
from dreamflow.temporal.flow.estimators import estimate_dis
from dreamflow.temporal.motion.confidence import check_consistency
from dreamflow.temporal.shots import Mark, find_shots

Cli = Callable[..., CommandResult]
STARTUP_S = 2.5


@pytest.fixture
def fixed_startup(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the timing of a new process, which takes seconds."""
    monkeypatch.setattr(
        "dreamflow.reports.bench.render.startup_seconds", lambda clip, arguments: STARTUP_S
    )


def test_counted_operations_match_a_calculation_by_hand(noise_network: Network) -> None:
    # 64 channels of 7x7x3 at each of 32x48 positions; twice for multiplication and addition, and
    # twice for forward and backward.
    assert count_pass_gflop(noise_network, "conv1/7x7_s2", 64, 96) == pytest.approx(
        4 * 64 * 3 * 49 * 32 * 48 / 1e9
    )
    # Norms and pools are not counted.
    assert count_pass_gflop(noise_network, "pool1/norm1", 64, 96) == pytest.approx(
        count_pass_gflop(noise_network, "conv1/7x7_s2", 64, 96)
    )
    assert count_pass_gflop(noise_network, "inception_4c/output", 360, 640) == pytest.approx(
        21.4, 0.01
    )


def test_every_known_layer_is_timed_in_every_round(noise_network: Network) -> None:
    done: list[int] = []
    layers = ["conv1/7x7_s2", "inception_3a/1x1", "unknown"]
    baseline, timings = bench_passes(noise_network, 48, 64, layers, 3, done.append)
    assert [timing.layer for timing in timings] == layers[:2]
    assert all(len(t.round_ms) == 3 and min(t.round_ms) > 0 for t in [baseline, *timings])
    assert compute_efficiency(baseline, baseline) == 1
    assert done[-1] == 3
    assert baseline.gflop == pytest.approx(build_baseline_convolution(noise_network.device)[1])


def test_bench_command_prints_and_compares_passes(tmp_path: Path, cli: Cli) -> None:
    fast = ("bench", "--network", "googlenet", "--size", "64x48", "--rounds", "1")
    run = cli(*fast, "--json")
    assert run.code == 0, run.err
    passes = json.loads(run.out)["passes"]
    assert [row["layer"] for row in passes] == ["3x3 convolution", *BENCH_LAYERS]
    (tmp_path / "before.json").write_text(run.out)
    run = cli(*fast, "--layer", "conv2/3x3", "--against", tmp_path / "before.json")
    assert run.code == 0
    assert "times as fast" in run.out
    assert "conv2/3x3" in run.out


@pytest.mark.usefixtures("fixed_startup")
def test_size_may_name_the_longer_side(cli: Cli) -> None:
    assert parse_bench_size("640") == (640, 360)
    assert parse_bench_size("64x48") == (64, 48)
    fast = ("bench", "--size", "96", "--layer", "conv1/7x7_s2", "--json", "--rounds", "1")
    assert json.loads(cli(*fast).out)["size"] == "96x54"
    assert json.loads(cli(*fast, "--render", "--frames", "2").out)["size"] == "96x54"


def test_synthetic_scene_pans_and_is_one_shot() -> None:
    frames = list(synthesise_scene(160, 96, 6))
    assert [mark for _, mark in find_shots(frames)] == [Mark.CUT] + [Mark.SAME] * 5
    flow = estimate_dis(frames[0].picture, frames[1].picture)
    # It pans by 3 pixels; the object that crosses it covers a twelfth of it.
    assert abs(float(np.median(flow.backward[..., 0])) - 3) < 0.3
    assert 0.5 < check_consistency(flow).mean() < 1


def test_stages_of_the_median_round_add_up() -> None:
    quick, middle, slow = StageTimes(), StageTimes(), StageTimes()
    middle.own_thread |= {"dream": 1.5, "waiting": 0.2}
    middle.other_threads |= {"flow": 0.9}
    stages = RenderTimings(10, [3.0, 1.0, 2.0], [slow, quick, middle]).median_stage_times()
    assert sum(row["s"] for row in stages.values()) == pytest.approx(2)
    assert sum(row["share"] for row in stages.values()) == pytest.approx(1)
    assert stages["dream"] == {"s": 1.5, "share": 0.75, "beside_s": 0.0}
    assert stages["flow"] == {"s": 0.0, "share": 0.0, "beside_s": 0.9}
    assert stages["other"]["s"] == pytest.approx(0.3)


@pytest.mark.usefixtures("fixed_startup")
def test_bench_command_times_and_compares_renders(tmp_path: Path, cli: Cli) -> None:
    fast = ("bench", "--render", "--size", "64x48", "--frames", "5", "--layer", "conv1/7x7_s2")
    run = cli(*fast, "--rounds", "2", "--json")
    assert run.code == 0, run.err
    report = json.loads(run.out)
    render = report["render"]
    assert (report["size"], render["frames"], len(render["wall_s"])) == ("64x48", 5, 2)
    assert render["fps"] == pytest.approx(5 / min(render["wall_s"]), 0.01)
    stages = render["stages"]
    assert sum(row["share"] for row in stages.values()) == pytest.approx(1, abs=0.01)
    assert all(stages[name]["s"] > 0 for name in ("dream", "encode", "write"))
    for name in ("decode", "shots", "flow"):
        assert stages[name]["beside_s"] > 0
        assert stages[name]["s"] == 0, "another thread does it ahead"
    assert render["startup_s"] == STARTUP_S
    assert render["memory_mb"]["resident"] > 100 or sys.platform == "win32"
    (tmp_path / "before.json").write_text(run.out)
    run = cli(*fast[:-2], SAMPLE_CLIP, "--rounds", "1", "--against", tmp_path / "before.json")
    assert run.code == 0, run.err
    for words in ("times as fast", "5 frames: ", "outside of dreaming"):
        assert words in run.out
    run = cli("bench", "--size", "64x48", "--against", tmp_path / "before.json")
    assert run.code == 1
    assert "before.json" in run.err


def test_failed_startup_names_the_reason() -> None:
    with pytest.raises(DreamFlowError, match="conv9"):
        startup_seconds(SAMPLE_CLIP, ["--layer", "conv9"])


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        (("--render", "none.mp4"), "none.mp4"),
        (("--render", "--layer", "conv9"), "conv9"),
        (("--size", "large"), "--size"),
        (("--layer", "conv9"), "conv9"),
        (("--against", "none.json"), "none.json"),
        (("--against", "."), "--against"),
    ],
)
def test_bad_input_is_refused_in_one_line(
    cli: Cli, arguments: tuple[str, ...], culprit: str
) -> None:
    run = cli("bench", *arguments)
    assert run.code == 1
    assert culprit in run.err
    assert len(run.err.splitlines()) == 1
