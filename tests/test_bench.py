"""The bench counts right, times all it says, and compares with an earlier run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Run

from dreamflow.bench.engine import LAYERS, bench_engine, efficiency, pass_gflop, peak_pass
from dreamflow.networks import Network

Cli = Callable[..., Run]


def test_operations_are_counted_as_by_hand(noise_network: Network) -> None:
    # 64 channels of 7x7x3 at each of 32x48 positions; twice for multiply and add, twice for both
    # directions.
    assert pass_gflop(noise_network, "conv1/7x7_s2", 64, 96) == pytest.approx(
        4 * 64 * 3 * 49 * 32 * 48 / 1e9
    )
    # A norm and a pool add none.
    assert pass_gflop(noise_network, "pool1/norm1", 64, 96) == pytest.approx(
        pass_gflop(noise_network, "conv1/7x7_s2", 64, 96)
    )
    assert pass_gflop(noise_network, "inception_4c/output", 360, 640) == pytest.approx(21.4, 0.01)


def test_each_layer_is_timed_in_each_round(noise_network: Network) -> None:
    done: list[int] = []
    wanted = ["conv1/7x7_s2", "inception_3a/1x1", "not there"]
    peak, figures = bench_engine(noise_network, 48, 64, wanted, 3, done.append)
    assert [figure.layer for figure in figures] == wanted[:2]
    assert all(len(f.milliseconds) == 3 and min(f.milliseconds) > 0 for f in [peak, *figures])
    assert efficiency(peak, peak) == 1 and done[-1] == 3
    assert peak.gflop == pytest.approx(peak_pass(noise_network.device)[1])


def test_the_command_prints_and_compares(tmp_path: Path, cli: Cli) -> None:
    fast = ("bench", "--network", "googlenet", "--size", "64x48", "--rounds", "1")
    run = cli(*fast, "--json")
    assert run.code == 0, run.err
    passes = json.loads(run.out)["passes"]
    assert [row["layer"] for row in passes] == ["3x3 convolution", *LAYERS]
    (tmp_path / "before.json").write_text(run.out)
    run = cli(*fast, "--layer", "conv2/3x3", "--against", tmp_path / "before.json")
    assert run.code == 0 and "times as fast" in run.out and "conv2/3x3" in run.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--size", "640"), "write WIDTHxHEIGHT"),
        (("--layer", "conv9"), "conv9"),
        (("--against", "none.json"), "No such file"),
        (("--against", "."), "--against ."),
    ],
)
def test_what_cannot_be_is_said(cli: Cli, arguments: tuple[str, ...], says: str) -> None:
    run = cli("bench", *arguments)
    assert run.code == 1 and says in run.err and len(run.err.splitlines()) == 1
