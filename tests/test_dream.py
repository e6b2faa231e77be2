"""A dream of one image: it raises the objective by the given step, and repeats exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import make_texture
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamflow.core.errors import SettingsError
from dreamflow.core.keyed_random import jitter_offset
from dreamflow.core.targets import Target, parse_blend
from dreamflow.core.tensors import (
    array_to_tensor,
    picture_to_tensor,
    tensor_to_array,
    tensor_to_picture,
)
from dreamflow.dream.ascent import ascend
from dreamflow.dream.objective.objective import Objective, normalise_gradient
from dreamflow.dream.octaves import OctavePlan, dream_octaves, plan_octaves
from dreamflow.dream.options import DreamOptions
from dreamflow.networks.network import Network
from dreamflow.pipelines.image import dream_image

SMALL = DreamOptions(layer=("conv2/3x3",), octaves=2, iterations=3, jitter=8)


@pytest.mark.parametrize("layer", ["conv1/7x7_s2", "pool1/norm1", "inception_3b/pool_proj"])
def test_a_dream_raises_the_objective(noise_network: Network, layer: str) -> None:
    image = picture_to_tensor(make_texture(96, 128))
    objective = Objective.parse(noise_network, [layer])
    dreamed = dream_octaves(image, objective, plan_octaves(SMALL), 8, (0, 0))
    assert objective.value(dreamed) > 1.1 * objective.value(image)


def test_a_negative_weight_minimises(noise_network: Network) -> None:
    image = picture_to_tensor(make_texture(64, 64))
    objective = Objective.parse(noise_network, ["conv2/3x3=-1"])
    dreamed = dream_octaves(image, objective, plan_octaves(SMALL), 8, (0, 0))
    assert objective.value(dreamed) > objective.value(image)
    assert Objective.parse(noise_network, ["conv2/3x3"]).value(dreamed) < -objective.value(image)


def test_a_step_is_the_mean_absolute_change_in_levels(noise_network: Network) -> None:
    image = torch.full((1, 3, 64, 64), 0.5) + 0.1 * torch.rand(1, 3, 64, 64)
    objective = Objective.parse(noise_network, ["conv2/3x3"])
    moved = ascend(image, objective, iterations=1, step=1.5, jitter=16, key=(7,))
    assert float((moved - image).abs().mean()) * 255 == pytest.approx(1.5, rel=1e-3)


def test_momentum_climbs_further_in_as_many_small_steps(noise_network: Network) -> None:
    image = picture_to_tensor(make_texture(64, 64))
    objective = Objective.parse(noise_network, ["conv2/3x3"])
    slow, fast = (
        objective.value(ascend(image, objective, 6, 0.2, 0, (7,), momentum=momentum))
        for momentum in (0.0, 0.8)
    )
    assert objective.value(image) < slow < fast


def test_momentum_stays_where_the_weight_is(noise_network: Network) -> None:
    image, weight = picture_to_tensor(make_texture(64, 64)), torch.zeros(1, 1, 64, 64)
    weight[..., :32] = 1.0
    objective = Objective.parse(noise_network, ["conv2/3x3"])
    moved = ascend(image, objective, 4, 1.0, 8, (7,), weight, momentum=0.8)
    assert torch.equal(moved[..., 32:], image[..., 32:])
    assert not torch.equal(moved[..., :32], image[..., :32])


def test_gradients_of_layers_are_normalised_before_they_are_weighted(
    noise_network: Network,
) -> None:
    image = picture_to_tensor(make_texture(64, 64))
    shallow, deep = "conv1/7x7_s2", "inception_3b/output"
    one = Objective.parse(noise_network, [shallow]).gradient(image)
    two = Objective.parse(noise_network, [deep]).gradient(image)
    both = Objective.parse(noise_network, [f"{shallow}=0.25", f"{deep}=0.75"]).gradient(image)
    torch.testing.assert_close(
        both, normalise_gradient(0.25 * one + 0.75 * two), rtol=1e-3, atol=1e-4
    )
    for gradient in (one, two, both):
        assert float(gradient.abs().mean()) == pytest.approx(1, rel=1e-4)


def test_a_zero_gradient_stays_zero() -> None:
    assert float(normalise_gradient(torch.zeros(1, 3, 4, 4)).abs().max()) == 0


def test_the_same_seed_gives_the_same_dream(noise_network: Network) -> None:
    picture = make_texture(64, 80)
    first = dream_image(picture, noise_network, options=SMALL)
    second = dream_image(picture, noise_network, options=SMALL)
    other_seed = dream_image(picture, noise_network, options=replace(SMALL, seed=1))
    other_frame = dream_image(picture, noise_network, options=SMALL, frame_index=1)
    assert np.array_equal(first, second)
    assert not np.array_equal(first, other_seed)
    assert not np.array_equal(first, other_frame)


def test_a_dream_has_the_type_and_size_of_its_picture(noise_network: Network) -> None:
    picture = np.zeros((40, 56, 3), np.uint8)
    picture[:, 28:] = 255
    dreamed = dream_image(picture, noise_network, "conv1/7x7_s2", SMALL)
    assert dreamed.shape == picture.shape
    assert dreamed.dtype == np.uint8


@pytest.mark.parametrize(
    "more", [{}, {"noise": 0.5}, {"colour": "source"}, {"octave_iterations": "2,2", "octaves": 2}]
)
def test_zero_iterations_return_the_source(noise_network: Network, more: dict) -> None:
    picture = make_texture(50, 70)
    options = DreamOptions(layer=("conv2/3x3",), iterations=0, **more)
    assert np.array_equal(dream_image(picture, noise_network, options=options), picture)


def test_zero_weight_leaves_the_image_unchanged(noise_network: Network) -> None:
    image = picture_to_tensor(make_texture(64, 64))
    weight = torch.zeros(1, 1, 64, 64)
    weight[..., :32] = 1
    objective = Objective.parse(noise_network, ["conv2/3x3"])
    moved = ascend(image, objective, 3, 2.0, 8, (0,), weight)
    assert torch.equal(moved[..., 32:], image[..., 32:])
    assert not torch.equal(moved[..., :32], image[..., :32])


def test_coarse_octaves_do_not_resample_the_image(noise_network: Network) -> None:
    """Coarse octaves add only their change, which is zero here."""
    image = picture_to_tensor(make_texture(64, 64))
    objective = Objective.parse(noise_network, ["conv2/3x3"])
    plan = [OctavePlan(2, 1.4, 2, 1.0), OctavePlan(1, 1.4, 2, 1.0)]
    weight = torch.zeros(1, 1, 64, 64)
    torch.testing.assert_close(dream_octaves(image, objective, plan, 8, (0,), weight), image)


def test_octaves_too_small_for_the_layer_are_skipped(noise_network: Network) -> None:
    image = picture_to_tensor(make_texture(32, 40))
    objective = Objective.parse(noise_network, ["inception_5b/output"])
    plan = plan_octaves(DreamOptions(octaves=8, iterations=1))
    assert dream_octaves(image, objective, plan, 4, (0,)).shape == image.shape
    with pytest.raises(SettingsError, match="too small"):
        dream_octaves(image[:, :, :20], objective, plan, 4, (0,))


@given(jitter=st.integers(0, 512), key=st.lists(st.integers(0, 2**40), min_size=1, max_size=4))
def test_jitter_is_in_range_and_a_function_of_its_key(jitter: int, key: list[int]) -> None:
    shift = jitter_offset(jitter, *key)
    assert all(-jitter <= part <= jitter for part in shift)
    assert shift == jitter_offset(jitter, *key)


def test_jitter_is_uniform() -> None:
    shifts = np.array([jitter_offset(8, 0, frame) for frame in range(4000)])
    assert set(shifts[:, 0]) == set(range(-8, 9))
    assert abs(shifts.mean()) < 0.3


@settings(max_examples=30)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_pictures_and_images_round_trip(height: int, width: int, seed: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    assert np.array_equal(tensor_to_picture(picture_to_tensor(picture)), picture)
    image = picture_to_tensor(picture)
    assert torch.equal(array_to_tensor(tensor_to_array(image)), image)


@pytest.mark.parametrize(
    "layers", [[], ["a=0"], ["a=nan"], ["a=x"], ["=1"], ["a", "a=2"], ["a=inf"]]
)
def test_wrong_blends_are_refused(layers: list[str]) -> None:
    with pytest.raises(SettingsError) as raised:
        parse_blend(layers)
    assert raised.value.setting == "layer"


def test_blends_are_parsed() -> None:
    assert parse_blend(["conv2/3x3", "inception_4c/output=0.5"]).weights == {
        Target("conv2/3x3"): 1.0,
        Target("inception_4c/output"): 0.5,
    }
