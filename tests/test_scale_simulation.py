"""The simulation behind the figures of docs/scale.md keeps to what is certain."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

import numpy as np
import pytest
from conftest import REPO_ROOT


@pytest.fixture(scope="module")
def scale() -> ModuleType:
    path = REPO_ROOT / "docs" / "simulate_scale.py"
    spec = importlib.util.spec_from_file_location("simulate_scale", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_more_workers_are_quicker_and_never_by_more_than_their_number(scale: ModuleType) -> None:
    shots = scale.draw_shots(0.5, 24, np.random.default_rng(4))
    assert sum(shots) >= 0.5 * 3600 * 24
    costs = scale.Costs(dream=1.0)
    alone, several = (
        scale.simulate(shots, workers, costs, np.random.default_rng(5)) for workers in (1, 8)
    )
    longest_h = max(shots) / 3600
    assert alone.render / 12 < several.render < alone.render
    assert several.render > longest_h / 2
    assert 0 < several.busy <= 1
    assert alone.find == several.find


def test_one_worker_takes_as_long_as_its_frames(scale: ModuleType) -> None:
    costs = scale.Costs(dream=2.0, failures=0.0, shard=1.0, start=3.0)
    done = scale.simulate([10, 20], 1, costs, np.random.default_rng(0))
    speed = float(np.exp(np.random.default_rng(0).normal(0, 0.1, 1))[0])
    dreaming = 60 / speed
    assert done.render * 3600 == pytest.approx(dreaming + 2 + 3)
    assert done.busy == pytest.approx(dreaming / (dreaming + 5))


def test_a_free_worker_takes_the_first_shard_that_is_left(scale: ModuleType) -> None:
    seconds = [5.0, 1.0, 2.0, 1.0]
    finished = scale.run_shards(4, [0.0, 1.0], lambda number, worker: seconds[number])
    assert finished == [5.0, 2.0, 4.0, 5.0]
    assert scale.run_shards(4, [3.0], lambda n, _: seconds[n])[-1] == 12.0
