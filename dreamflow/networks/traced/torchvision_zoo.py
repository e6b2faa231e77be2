"""torchvision's classifiers by name, such as `torchvision:vgg16`.

torchvision is imported only when one of them is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from dreamflow.core.errors import DependencyError, SettingsError, WeightsError
from dreamflow.core.text.did_you_mean import suggest_similar
from dreamflow.networks.network import Layer
from dreamflow.networks.traced.network import TracedNetwork
from dreamflow.networks.traced.torchvision_import import import_torchvision
from dreamflow.networks.traced.trace import summarise_error, trace_module
from dreamflow.networks.weights.registry import TORCHVISION_PREFIX

TRANSFORM_INPUT_CLASSIFIERS = ("googlenet", "inception_v3")
"""Classifiers whose weights expect -1 to 1, to which the module itself scales its input."""


@dataclass(frozen=True)
class ClassifierInfo:
    """What torchvision states about a classifier.

    Attributes:
        urls: Of its weights, the best ones first.
        mean: Of the red, green and blue channels in [0, 1] that it was trained with.
        std: Of the same, the standard deviation.
    """

    urls: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]


def import_torchvision_models() -> Any:
    """Return torchvision.models.

    Raises:
        DependencyError: torchvision cannot be imported.
    """
    try:
        import_torchvision()
        from torchvision import models
    except (ImportError, RuntimeError) as error:
        raise DependencyError(
            f"torchvision cannot be imported: {summarise_error(error)}; "
            "install the version that fits your PyTorch"
        ) from error
    return models


@lru_cache(maxsize=1)
def list_classifier_names() -> tuple[str, ...]:
    """Return the names of all classifiers, without the prefix."""
    models = import_torchvision_models()
    return tuple(models.list_models(module=models))


def strip_torchvision_prefix(network: str) -> str:
    """Return a classifier's name without the prefix.

    Raises:
        SettingsError: There is no such classifier; the message suggests the nearest names.
        DependencyError: torchvision cannot be imported.
    """
    name = network.removeprefix(TORCHVISION_PREFIX)
    if name not in list_classifier_names():
        hint = (
            suggest_similar(name, list_classifier_names())
            or "; `dreamflow models list --all` lists them"
        )
        raise SettingsError(
            f"torchvision has no classifier {name!r}{hint}", setting="network", value=network
        )
    return name


@lru_cache
def find_classifier_info(network: str) -> ClassifierInfo:
    """Return what torchvision states about a classifier, `torchvision:NAME`."""
    name, models = strip_torchvision_prefix(network), import_torchvision_models()
    weights = models.get_model_weights(name)
    first = weights.DEFAULT
    urls = dict.fromkeys([first.url, *(other.url for other in weights)])
    transforms = first.transforms()
    return ClassifierInfo(tuple(urls), tuple(transforms.mean), tuple(transforms.std))


def make_meta_classifier(network: str) -> nn.Module:
    """Return a classifier's module on the meta device, its weights without values."""
    name, models = strip_torchvision_prefix(network), import_torchvision_models()
    arguments: dict[str, Any] = {}
    if name in TRANSFORM_INPUT_CLASSIFIERS:
        arguments = {"init_weights": False, "transform_input": True}
    try:
        with torch.device("meta"):
            return models.get_model(name, weights=None, **arguments).eval()
    except NotImplementedError:  # some compute their widths with tensors that need values
        return models.get_model(name, weights=None, **arguments).eval().to("meta")


@lru_cache(maxsize=4)
def describe_classifier_layers(network: str) -> dict[str, Layer]:
    """Return the facts of a classifier's layers, shallow to deep. No weights are needed."""
    return trace_module(network, make_meta_classifier(network)).layers


def build_classifier(
    network: str, tensors: Mapping[str, Tensor], weights_hash: str = ""
) -> TracedNetwork:
    """Build a classifier from a state dict.

    Weights that dreams do not need, such as those of the last layers, may be missing or of another
    shape: a classifier of other classes is as good.

    Args:
        network: `torchvision:NAME`.
        tensors: The state dict.
        weights_hash: SHA-256 of the weights file.

    Returns:
        The network on the CPU, in float32.

    Raises:
        WeightsError: A tensor that dreams need is missing, of a wrong shape, or not finite.
        SettingsError: There is no such classifier.
    """
    module, info = make_meta_classifier(network), find_classifier_info(network)
    mismatches = assign_matching_tensors(module, tensors)
    try:
        return TracedNetwork(network, module, info.mean, info.std, weights_hash)
    except WeightsError as error:
        if mismatches:
            raise WeightsError(f"these weights do not fit {network}: {mismatches[0]}") from error
        raise


def assign_matching_tensors(module: nn.Module, tensors: Mapping[str, Tensor]) -> list[str]:
    """Assign a state dict to a module as far as it fits.

    Args:
        module: On the meta device; parameters that `tensors` lacks stay there.
        tensors: The state dict; names that the module does not have are ignored.

    Returns:
        The tensors of a wrong shape, in words.
    """
    expected = module.state_dict()
    fitting: dict[str, Tensor] = {}
    mismatches: list[str] = []
    for given, tensor in strip_data_parallel_prefix(tensors).items():
        # Up to 2017 DenseNets were saved with another dot: norm.1 for norm1.
        older = re.sub(r"\.(norm|conv)\.([12])\.", r".\1\2.", given)
        key = given if given in expected else older
        if key not in expected:
            continue
        if tensor.shape != expected[key].shape:
            mismatches.append(f"{key} is {tuple(tensor.shape)}, not {tuple(expected[key].shape)}")
            continue
        fitting[key] = tensor.float() if tensor.is_floating_point() else tensor
    for key, shape in expected.items():
        if key.endswith("num_batches_tracked") and key not in fitting:
            fitting[key] = torch.zeros(shape.shape, dtype=shape.dtype)
    module.load_state_dict(fitting, strict=False, assign=True)
    return mismatches


def strip_data_parallel_prefix(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict without the prefix `module.` that DataParallel adds to all names."""
    prefix = "module."
    if tensors and all(key.startswith(prefix) for key in tensors):
        return {key.removeprefix(prefix): tensor for key, tensor in tensors.items()}
    return dict(tensors)
