"""Negative weights: a response is taken away, and no noise is left in its place."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from conftest import SAMPLE_STILL, make_texture

from dreamflow.core.machine.memory import MB
from dreamflow.core.tensors import picture_to_tensor
from dreamflow.dream.ascent import ascend
from dreamflow.dream.objective.objective import Objective
from dreamflow.dream.options import DreamOptions
from dreamflow.media.resize import resize_picture
from dreamflow.media.stills.read import read_picture
from dreamflow.networks.loading import load_network
from dreamflow.networks.network import Network
from dreamflow.pipelines.image import dream_image

STEP_LEVELS = 1.5


@pytest.fixture(scope="module")
def pocket() -> Network:
    return load_network("pocket", device="cpu", precision="float32")


def climb(image: torch.Tensor, objective: Objective, iterations: int, key: int) -> torch.Tensor:
    return ascend(image, objective, iterations, STEP_LEVELS, 8, (key,))


def sharpness(picture: np.ndarray) -> float:
    return float(cv2.Laplacian(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.CV_64F).var())


@pytest.mark.parametrize("channel", [380, 61, 5])
def test_what_no_longer_responds_is_left_alone(pocket: Network, channel: int) -> None:
    image = picture_to_tensor(make_texture(96, 128))
    target = f"inception_4a/output:{channel}"
    less, response = Objective.parse(pocket, [f"{target}=-1"]), Objective.parse(pocket, [target])
    reached = climb(image, less, 30, 0)
    assert response.value(reached) < 0.3 * response.value(image) + 1e-6
    still = climb(reached, less, 10, 1)
    change_levels = 255 * float((still - reached).abs().mean())
    assert change_levels < 0.3 * STEP_LEVELS, "one step of ten would change more"


@pytest.mark.parametrize(
    "less", ["inception_4a/output:380=-1", "inception_4a/output:61=-1", "inception_3b/output:7=-2"]
)
def test_a_blend_with_less_of_a_channel_has_no_confetti(pocket: Network, less: str) -> None:
    source = resize_picture(read_picture(SAMPLE_STILL), 192, 128)
    more = "inception_4c/output=1"
    options = DreamOptions(octaves=2, iterations=8)
    plain = dream_image(source, pocket, [more], options)
    dream = dream_image(source, pocket, [more, less], options)
    assert sharpness(dream) < sharpness(plain), "less was dreamed, but there is more detail"
    target = less.partition("=")[0]
    response = Objective.parse(pocket, [target])
    left, before = (response.value(picture_to_tensor(p)) for p in (dream, plain))
    assert left < 0.7 * before


def test_a_layer_that_still_responds_is_minimised_at_full_size(pocket: Network) -> None:
    """The bound holds only near the end: before it, a negative weight is as strong as others."""
    image = picture_to_tensor(make_texture(96, 128))
    objective = Objective.parse(pocket, ["inception_4c/output=1", "inception_4a/output=-0.5"])
    unbounded = objective.gradient(image)
    torch.testing.assert_close(objective.gradient(image, step=1e-6), unbounded)
    bounded = objective.gradient(image, step=STEP_LEVELS / 255)
    assert 0.1 < float(bounded.abs().mean()) <= 1.5


def test_positive_weights_are_as_they_were(noise_network: Network) -> None:
    image = picture_to_tensor(make_texture(64, 64))
    for layers in (["conv2/3x3"], ["conv2/3x3=2", "conv1/7x7_s2=0.5"]):
        objective = Objective.parse(noise_network, layers)
        assert torch.equal(objective.gradient(image, step=0.006), objective.gradient(image))


def test_nothing_at_all_stays_finite(noise_network: Network) -> None:
    image = torch.zeros(1, 3, 64, 64)
    objective = Objective.parse(noise_network, ["inception_4a/output:3=-1"])
    assert bool(torch.isfinite(objective.gradient(image, step=0.006)).all())


def test_tiles_are_bounded_as_the_whole_is(
    pocket: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = picture_to_tensor(make_texture(256, 320))
    objective = Objective.parse(pocket, ["inception_3b/output=1", "inception_3a/output:9=-1"])
    whole = objective.gradient(image, step=0.02)
    machine = pocket.machine
    with monkeypatch.context() as patch:
        patch.setattr(
            type(pocket), "machine", property(lambda _: replace(machine, memory_limit=24 * MB))
        )
        tiled = objective.gradient(image, step=0.02)
    error = float((tiled - whole).norm() / whole.norm())
    assert 0 < error < 0.05
