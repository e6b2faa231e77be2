"""A dream never leaves its device: on torch's meta device any read-back to the host raises."""

from __future__ import annotations

import pytest
import torch
from conftest import random_classifier, random_weights

from dreamflow.dream.gradient_shaping import GradientShaping
from dreamflow.dream.objective.objective import Objective
from dreamflow.dream.objective.reference import ReferenceFeatures
from dreamflow.dream.octaves import dream_octaves, plan_octaves
from dreamflow.dream.options import DreamOptions
from dreamflow.networks.caffe import googlenet
from dreamflow.networks.network import Network

META = torch.device("meta")
LAYER = "inception_3a/output"


def make_meta_network(dtype: torch.dtype = torch.float32) -> Network:
    network = googlenet.build_googlenet(random_weights() | random_classifier())
    return network.to(META, dtype)


@pytest.fixture(scope="module")
def meta_network() -> Network:
    return make_meta_network()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"gradient": "smooth"},
        {"gradient": "laplacian"},
        {"total_variation": 0.2},
        {"colour": "luminance"},
        {"colour": "source"},
        {"iteration_zoom": 1.0},
        {"jitter_rotation": 5.0, "jitter_scale": 4.0},
        {"octave_tilt": 0.5},
        {"layer": (f"{LAYER}:3:5=1", "conv2/3x3=-0.5")},
        {"layer": ("class:3",)},
    ],
    ids=str,
)
def test_an_image_is_dreamed_on_the_meta_device(meta_network: Network, settings: dict) -> None:
    options = DreamOptions(**{"layer": (LAYER,), "octaves": 2, "iterations": 2} | settings)
    image = torch.empty(1, 3, 72, 96, device=META)
    objective = Objective.parse(meta_network, options.layer)
    dreamed = dream_octaves(
        image,
        objective,
        plan_octaves(options),
        options.jitter,
        (0, 0),
        weight=torch.empty(1, 1, 72, 96, device=META),
        shaping=GradientShaping.from_options(options, objective.stride),
    )
    assert dreamed.device.type == "meta"
    assert dreamed.shape == image.shape


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_an_objective_with_a_reference_is_computed_on_the_meta_device(dtype: torch.dtype) -> None:
    network, image = make_meta_network(dtype), torch.empty(1, 3, 72, 96, device=META)
    reference = ReferenceFeatures(network, torch.empty(1, 3, 64, 64, device=META))
    objective = Objective.parse(network, [LAYER, "conv2/3x3:1:7=0.5"], reference, 0.5)
    assert objective.gradient(image).device.type == "meta"
    assert objective.measure(image).device.type == "meta"
