"""The networks that DreamFlow knows by name: how each is built, and which weights it has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from dreamflow.core.errors import SettingsError
from dreamflow.core.text.did_you_mean import suggest_similar
from dreamflow.networks.caffe import googlenet, pocket
from dreamflow.networks.network import Layer, Network
from dreamflow.networks.traced import torchvision_zoo as zoo
from dreamflow.networks.weights.registry import (
    BUILTIN_NETWORK_WEIGHTS,
    FEATURED_TORCHVISION_FILES,
    TORCHVISION_PREFIX,
    PublishedWeights,
    make_torchvision_weights,
)

TensorsByName = Mapping[str, Tensor]


@dataclass(frozen=True)
class NetworkSpec:
    """How a network is built.

    Attributes:
        describe_layers: Returns the facts of its layers, shallow to deep. It gets a function that
            reads the weights, and calls it only where the layers depend on them.
        build: Returns the network from its tensors and the SHA-256 of their file.
        weights: Where they are published, and the names of their files.
    """

    describe_layers: Callable[[Callable[[], TensorsByName]], dict[str, Layer]]
    build: Callable[[TensorsByName, str], Network]
    weights: PublishedWeights


def make_googlenet_spec(name: str, mean: tuple[float, ...]) -> NetworkSpec:
    """Return how a network of GoogLeNet's layers is built.

    Args:
        name: Of the network.
        mean: Of the blue, green and red channels that it was trained with, 0 to 255.
    """
    return NetworkSpec(
        describe_layers=lambda read: googlenet.describe_googlenet_layers(),
        build=lambda tensors, digest: googlenet.build_googlenet(tensors, digest, name, mean),
        weights=BUILTIN_NETWORK_WEIGHTS[name],
    )


NETWORK_SPECS: dict[str, NetworkSpec] = {
    "pocket": NetworkSpec(
        describe_layers=lambda read: pocket.build_pocket(read()).layers,
        build=pocket.build_pocket,
        weights=BUILTIN_NETWORK_WEIGHTS["pocket"],
    ),
    "googlenet": make_googlenet_spec("googlenet", googlenet.MEAN_BGR),
    "places205": make_googlenet_spec("places205", (105.488, 113.741, 116.060)),
    "places365": make_googlenet_spec("places365", (104.051, 112.514, 116.676)),
}
"""The networks by name, but for torchvision's."""

GOOGLENET_BY_CLASS_COUNT = {1000: "googlenet", 205: "places205", 365: "places365"}
"""The network of GoogLeNet's layers whose classifier has that number of classes."""


def known_networks() -> list[str]:
    """Return the networks by name; besides them there is `torchvision:NAME`."""
    return list(NETWORK_SPECS)


def find_network_spec(network: str) -> NetworkSpec:
    """Return how a network is built.

    Args:
        network: One of `known_networks()`, or `torchvision:NAME`.

    Raises:
        SettingsError: There is no such network; the message suggests the nearest names.
        DependencyError: torchvision is needed, and cannot be imported.
    """
    if network.startswith(TORCHVISION_PREFIX):
        return make_torchvision_spec(network)
    if network not in NETWORK_SPECS:
        featured = (TORCHVISION_PREFIX + name for name in FEATURED_TORCHVISION_FILES)
        hint = suggest_similar(network, [*NETWORK_SPECS, *featured])
        raise SettingsError(
            f"there is no network {network!r}"
            + (hint or f"; there are {', '.join(NETWORK_SPECS)} and torchvision:NAME"),
            setting="network",
            value=network,
            allowed=f"{', '.join(NETWORK_SPECS)}, torchvision:NAME",
        )
    return NETWORK_SPECS[network]


def make_torchvision_spec(network: str) -> NetworkSpec:
    """Return how one of torchvision's classifiers is built.

    Args:
        network: `torchvision:NAME`.

    Raises:
        SettingsError: torchvision has no classifier of that name.
        DependencyError: torchvision cannot be imported.
    """
    return NetworkSpec(
        describe_layers=lambda read: zoo.describe_classifier_layers(network),
        build=partial(zoo.build_classifier, network),
        weights=make_torchvision_weights(network, zoo.find_classifier_info(network).urls),
    )
