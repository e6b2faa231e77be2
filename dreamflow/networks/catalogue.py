"""The networks that DreamFlow knows: how each is made, and where its weights come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from dreamflow.core.errors import SettingsError, suggest_similar
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
    """How a network is made.

    layers: facts of the layers; it reads the weights, by the function given, only where the
    network's shape is that of its weights. shipped: SHA-256 of the file that comes with DreamFlow,
    where one does.
    """

    describe_layers: Callable[[Callable[[], TensorsByName]], dict[str, Layer]]
    build: Callable[[TensorsByName, str], Network]
    weights: PublishedWeights
    shipped_sha256: str = ""


def make_googlenet_spec(name: str, mean: tuple[float, ...]) -> NetworkSpec:
    """Return the recipe of a network with GoogLeNet's layers, trained on some pictures."""
    return NetworkSpec(
        describe_layers=lambda read: googlenet.describe_googlenet_layers(),
        build=lambda tensors, digest: googlenet.build_googlenet(tensors, digest, name, mean),
        weights=BUILTIN_NETWORK_WEIGHTS[name],
    )


NETWORK_SPECS: dict[str, NetworkSpec] = {
    "pocket": NetworkSpec(
        lambda read: pocket.build_pocket(read()).layers,
        pocket.build_pocket,
        BUILTIN_NETWORK_WEIGHTS["pocket"],
        shipped_sha256="64282ff76ceba19d7747474b0fd24d3989c22ef03dd2a76c0ede06eaab13f35d",
    ),
    "googlenet": make_googlenet_spec("googlenet", googlenet.MEAN_BGR),
    "places205": make_googlenet_spec("places205", (105.488, 113.741, 116.060)),
    "places365": make_googlenet_spec("places365", (104.051, 112.514, 116.676)),
}

GOOGLENET_BY_CLASS_COUNT = {1000: "googlenet", 205: "places205", 365: "places365"}
"""Which network of GoogLeNet's layers has a classifier of so many classes."""


def known_networks() -> list[str]:
    """Return the networks by name; besides them there is `torchvision:NAME`."""
    return list(NETWORK_SPECS)


def find_network_spec(network: str) -> NetworkSpec:
    """Return how a network is made, or raise SettingsError with the nearest names."""
    if network.startswith(TORCHVISION_PREFIX):
        return make_torchvision_spec(network)
    if network not in NETWORK_SPECS:
        known = [
            *NETWORK_SPECS,
            *(TORCHVISION_PREFIX + name for name in FEATURED_TORCHVISION_FILES),
        ]
        hint = (
            suggest_similar(network, known)
            or f"; there is {', '.join(NETWORK_SPECS)} and torchvision:NAME"
        )
        raise SettingsError(f"there is no network {network!r}{hint}")
    return NETWORK_SPECS[network]


def make_torchvision_spec(network: str) -> NetworkSpec:
    """Return the recipe of one of torchvision's classifiers."""
    return NetworkSpec(
        describe_layers=lambda read: zoo.describe_classifier_layers(network),
        build=partial(zoo.build_classifier, network),
        weights=make_torchvision_weights(network, zoo.find_classifier_info(network).urls),
    )
