"""Tiles: a large image has the same gradient, no seams, and bounded memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import cv2
import pytest
import torch
from conftest import SAMPLE_STILL, make_texture
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from dreamflow.core.machine import memory
from dreamflow.core.machine.machine import Machine
from dreamflow.core.machine.memory import MB, default_memory_limit, total_memory
from dreamflow.core.machine.options import MachineOptions
from dreamflow.core.tensors import picture_to_tensor
from dreamflow.dream import tiles
from dreamflow.dream.ascent import ascend
from dreamflow.dream.objective.objective import Objective
from dreamflow.dream.objective.objective_term import ObjectiveTerm
from dreamflow.dream.pass_memory import pass_bytes_per_px
from dreamflow.dream.tiles import Tiling, choose_tiling, tiled_gradients, tiled_means
from dreamflow.networks.loading import load_network
from dreamflow.networks.network import Network
from dreamflow.networks.traced.network import network_of

LAYERS = ("conv2/3x3", "pool1/norm1", "inception_3b/output")
SIDES = st.integers(200, 2500)


@contextmanager
def memory_limit(network: Network, megabytes: int) -> Iterator[None]:
    before = network.machine
    network.machine = replace(before, memory_limit=megabytes * MB)
    try:
        yield
    finally:
        network.machine = before


def still(width: int, height: int) -> Tensor:
    bgr = cv2.imread(str(SAMPLE_STILL))
    small = cv2.resize(bgr, (width, height), interpolation=cv2.INTER_AREA)
    return picture_to_tensor(small[..., ::-1].copy())


def make_terms(names: Iterable[str]) -> list[ObjectiveTerm]:
    return [ObjectiveTerm(name) for name in names]


def whole_gradients(network: Network, names: tuple[str, ...], image: Tensor) -> list[Tensor]:
    return tiled_gradients(network, make_terms(names), image, Tiling(1, 1, 0, 32))


def relative_error(gradient: Tensor, expected: Tensor) -> float:
    return float((gradient - expected).norm() / expected.norm())


@given(side=SIDES, count=st.integers(1, 6), moved=st.floats(-1, 1), unit=st.sampled_from([4, 32]))
def test_each_pixel_belongs_to_one_tile_and_crops_are_equal(
    side: int, count: int, moved: float, unit: int
) -> None:
    margin = 2 * unit
    spans = Tiling(count, 1, margin, unit).spans(side, count, moved)
    assert [span.core_start for span in spans] == [0, *(span.core_end for span in spans[:-1])]
    assert spans[-1].core_end == side
    assert len({span.crop_end - span.crop_start for span in spans}) == 1
    for span in spans:
        assert span.crop_start % unit == 0
        assert span.core_start % unit == 0
        assert span.crop_start == 0 or span.core_start - span.crop_start >= margin
        assert span.crop_end == side or span.crop_end - span.core_end >= margin


@settings(max_examples=6)
@given(
    width=st.integers(180, 330),
    height=st.integers(180, 330),
    moved=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
)
def test_a_margin_over_the_receptive_field_gives_the_exact_gradient(
    noise_network: Network, width: int, height: int, moved: tuple[float, float]
) -> None:
    image = picture_to_tensor(make_texture(height, width))
    whole = whole_gradients(noise_network, LAYERS, image)
    tiled = tiled_gradients(noise_network, make_terms(LAYERS), image, Tiling(2, 3, 64, 8), moved)
    for name, one, other in zip(LAYERS, tiled, whole, strict=True):
        assert relative_error(one, other) < 1e-5, name


def test_too_small_a_margin_gives_another_gradient(noise_network: Network) -> None:
    """The test above can fail: without margins the gradient is another one."""
    image = picture_to_tensor(make_texture(256, 256))
    whole = whole_gradients(noise_network, LAYERS[2:], image)
    tiled = tiled_gradients(noise_network, make_terms(LAYERS[2:]), image, Tiling(2, 2, 8, 8))
    assert relative_error(tiled[0], whole[0]) > 1e-3


@pytest.mark.weights
def test_the_chosen_margin_is_enough_for_a_deep_layer(real_network: Network) -> None:
    name = "inception_4c/output"
    margin = tiles.round_up(tiles.tile_margin(real_network.layer(name)), 16)
    assert margin < real_network.layer(name).receptive_field / 2, "there is something to lose"
    image = still(512, 416)
    (whole,) = whole_gradients(real_network, (name,), image)
    (tiled,) = tiled_gradients(real_network, make_terms((name,)), image, Tiling(1, 2, margin, 16))
    assert relative_error(tiled, whole) < 0.02
    beside = (..., slice(256 - 32, 256 + 32))
    assert relative_error(tiled[beside], whole[beside]) < 0.04


def test_tiled_means_are_those_of_the_whole_image(noise_network: Network) -> None:
    image = picture_to_tensor(make_texture(301, 243))
    found = noise_network.activations(image, LAYERS)
    whole = [float(found[name].square().mean()) for name in LAYERS]

    def square(aim: ObjectiveTerm, activation: Tensor) -> float:
        return float(activation.square().mean())

    tiled = tiled_means(noise_network, make_terms(LAYERS), image, Tiling(2, 3, 64, 8), square)
    assert tiled == pytest.approx(whole, rel=1e-5)
    off = tiled_means(noise_network, make_terms(LAYERS), image, Tiling(2, 3, 0, 8), square)
    assert off != pytest.approx(whole, rel=1e-3), "the test can fail"


def test_the_objective_of_a_large_image_is_computed_in_tiles(noise_network: Network) -> None:
    objective = Objective.parse(noise_network, ["conv2/3x3", "pool1/norm1=-0.5"])
    image = picture_to_tensor(make_texture(700, 900))
    whole = objective.value(image)
    assert choose_tiling(noise_network, ("conv2/3x3", "pool1/norm1"), 700, 900, 100 * MB)
    with memory_limit(noise_network, 100):
        assert objective.value(image) == pytest.approx(whole, rel=1e-5)


def test_an_image_within_the_limit_needs_no_tiles(noise_network: Network) -> None:
    image = picture_to_tensor(make_texture(96, 128))
    objective = Objective.parse(noise_network, ["conv2/3x3"])
    before = image.detach().requires_grad_(True)
    activation = noise_network.activations(before, ["conv2/3x3"])["conv2/3x3"]
    (gradient,) = torch.autograd.grad(activation, before, grad_outputs=activation.detach())
    expected = gradient / gradient.abs().mean()
    assert torch.equal(objective.gradient(image), expected)
    assert torch.equal(objective.gradient(image, (0.7, -0.2)), expected)


def test_a_blend_is_normalised_over_all_tiles(noise_network: Network) -> None:
    """Each layer is normalised over all tiles at once: a blend is the same, tiled or not."""
    image = picture_to_tensor(make_texture(320, 352))
    image[..., :160] *= 0.3  # one side responds less than the other
    objective = Objective.parse(noise_network, ["conv1/7x7_s2=0.4", "inception_3b/output=-0.6"])
    whole = objective.gradient(image)
    assert choose_tiling(noise_network, objective.layers, 320, 352, 20 * MB)
    with memory_limit(noise_network, 20):
        tiled = objective.gradient(image)
    assert relative_error(tiled, whole) < 0.01
    assert float(tiled.abs().mean()) == pytest.approx(1, rel=1e-4)


def test_borders_are_shifted_from_step_to_step(
    noise_network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[float, float]] = []

    def watched(
        self: Objective, image: Tensor, moved: tuple[float, float], step: float | None = None
    ) -> Tensor:
        seen.append(moved)
        return torch.zeros_like(image)

    monkeypatch.setattr(Objective, "gradient", watched)
    objective = Objective.parse(noise_network, ["conv2/3x3"])
    for _ in range(2):
        ascend(torch.rand(1, 3, 64, 64), objective, 20, 1.0, 0, (3, 1))
    assert seen[:20] == seen[20:], "the same step, the same borders"
    for axis in (0, 1):
        places = [moved[axis] for moved in seen[:20]]
        assert min(places) < -0.4
        assert max(places) > 0.4
        assert len(set(places)) > 15


def border_ratio(change: Tensor, columns: list[int]) -> float:
    """Return how much steeper a picture (1, 3, H, W) is across some columns than elsewhere."""
    steps = (change[..., 1:] - change[..., :-1]).abs().mean(dim=(0, 1, 2))
    at = torch.zeros(len(steps), dtype=torch.bool)
    at[[column - 1 for column in columns]] = True
    return float(steps[at].mean() / steps[~at].mean())


@pytest.mark.parametrize("layer", ["conv2/3x3", "inception_4c/output"])
def test_a_tiled_dream_has_no_seams(layer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dream is no steeper across the borders of tiles, even where they stay where they are.

    It becomes another dream after some steps, for the least difference grows; but a seamless one.
    """
    network = load_network()
    monkeypatch.setattr(tiles, "MAX_BORDER_SHIFT_SHARE", 0.0)
    image = still(640, 360)
    objective = Objective.parse(network, [layer])
    tiling = choose_tiling(network, (layer,), 360, 640, 20 * MB)
    assert tiling
    assert tiling.columns >= 3
    borders = [span.core_end for span in tiling.spans(640, tiling.columns, 0.0)[:-1]]
    with memory_limit(network, 20):
        tiled = ascend(image, objective, 6, 2.0, 0, (0,)) - image
        tiled_gradient = objective.gradient(image)
    whole = ascend(image, objective, 6, 2.0, 0, (0,)) - image
    assert border_ratio(tiled, borders) == pytest.approx(border_ratio(whole, borders), rel=0.1)
    assert relative_error(tiled_gradient, objective.gradient(image)) < 0.01


def test_tiles_without_margins_have_seams() -> None:
    """The measure above can fail: tiles that see nothing of each other leave a step."""
    network, image = load_network(), still(640, 360)
    (tiled,) = tiled_gradients(network, make_terms(["conv2/3x3"]), image, Tiling(1, 4, 0, 4))
    (whole,) = whole_gradients(network, ("conv2/3x3",), image)
    borders = [160, 320, 480]
    assert abs(border_ratio(tiled, borders) / border_ratio(whole, borders) - 1) > 0.1


def test_a_custom_module_is_tiled() -> None:
    """Where nobody knows what a layer sees, a margin is taken all the same."""
    module = nn.Sequential(
        nn.Conv2d(3, 8, 5, 2, 2), nn.ReLU(), nn.Conv2d(8, 16, 3, 2, 1), nn.BatchNorm2d(16)
    ).eval()
    objective = Objective.parse(network_of(module), ["3"])
    image = picture_to_tensor(make_texture(520, 480))
    whole = objective.gradient(image)
    assert choose_tiling(objective.network, ("3",), 520, 480, 10 * MB)
    with memory_limit(objective.network, 10):
        assert relative_error(objective.gradient(image), whole) < 1e-4


@settings(max_examples=40)
@given(width=SIDES, height=SIDES, megabytes=st.integers(150, 3000))
def test_a_tile_stays_within_the_memory_limit(
    noise_network: Network, width: int, height: int, megabytes: int
) -> None:
    names = ("inception_4c/output",)
    tiling = choose_tiling(noise_network, names, height, width, megabytes * MB)
    rows, columns = (tiling.rows, tiling.columns) if tiling else (1, 1)
    tiling = tiling or Tiling(1, 1, 0, 1)
    pixels = tiling.crop_size(height, rows) * tiling.crop_size(width, columns)
    assert pixels * pass_bytes_per_px(noise_network, names) <= megabytes * MB


def test_an_impossible_memory_limit_still_dreams(noise_network: Network) -> None:
    objective = Objective.parse(noise_network, ["inception_3b/output"])
    with memory_limit(noise_network, 1):
        gradient = objective.gradient(picture_to_tensor(make_texture(300, 200)))
    assert float(gradient.abs().mean()) > 0.99


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_measured_memory_of_a_pass_is_close_to_the_estimate(tmp_path: Path) -> None:
    """What a pass was seen to take, in a process of its own, is near what is counted with."""
    script = """
import torch
from pathlib import Path
from dreamflow.dream.objective.objective import Objective
from dreamflow.dream.pass_memory import pass_bytes_per_px
from dreamflow.networks import load_network
torch.set_num_threads(1)
network = load_network()
objective = Objective.parse(network, ["inception_4c/output"])
estimated = pass_bytes_per_px(network, ("inception_4c/output",))
image = torch.rand(1, 3, 768, 1024)
def read_kb(name):  # of the process alone: getrusage counts what it was forked from, too
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])
before = read_kb("VmRSS")
objective.gradient(image)
print(estimated, (read_kb("VmHWM") - before) / 768)
"""
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ
    )
    estimated, seen = map(float, run.stdout.split())
    assert 0.5 < seen / estimated < 1.3, (estimated, seen)


def test_the_default_limit_is_a_share_of_all_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cpu = torch.device("cpu")
    assert total_memory() > 10**9
    monkeypatch.setattr(memory, "CGROUP_LIMIT_FILE", tmp_path / "memory.max")
    monkeypatch.setattr(memory, "total_memory", lambda: 8 * 10**9)
    assert default_memory_limit(cpu) == 1333 * MB
    monkeypatch.setattr(memory, "total_memory", lambda: 64 * 10**9)
    assert default_memory_limit(cpu) == memory.MAX_CPU_PASS_BYTES
    used = Machine.from_options(MachineOptions(device="cpu", threads=1, memory=700))
    assert used.memory_limit == 700 * MB


@pytest.mark.parametrize(("limit", "total"), [("600000000\n", 600000000), ("max\n", None)])
def test_the_limit_of_a_container_counts(
    limit: str, total: int | None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(memory, "CGROUP_LIMIT_FILE", tmp_path / "memory.max")
    everything = total_memory()
    (tmp_path / "memory.max").write_text(limit)
    assert total_memory() == (total or everything)


def test_memory_defaults_where_the_system_does_not_report_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(memory, "CGROUP_LIMIT_FILE", tmp_path / "memory.max")
    monkeypatch.delattr(os, "sysconf")
    assert total_memory() == memory.FALLBACK_TOTAL_BYTES
