"""The networks that DreamFlow knows: how each is made, and where its weights come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from dreamflow.errors import SettingsError, nearest
from dreamflow.networks import googlenet, pocket, zoo
from dreamflow.networks.network import Layer, Network
from dreamflow.networks.published import OWN, PREFIX, WELL_KNOWN, Published, of_torchvision

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Recipe:
    """How a network is made.

    layers: facts of the layers; it reads the weights, by the function given, only where the
    network's shape is that of its weights. shipped: SHA-256 of the file that comes with DreamFlow,
    where one does.
    """

    layers: Callable[[Callable[[], Tensors]], dict[str, Layer]]
    build: Callable[[Tensors, str], Network]
    weights: Published
    shipped: str = ""


def caffe_googlenet(name: str, mean: tuple[float, ...]) -> Recipe:
    """Return the recipe of a network with GoogLeNet's layers, trained on some pictures."""
    return Recipe(
        layers=lambda read: googlenet.layers(),
        build=lambda tensors, digest: googlenet.build(tensors, digest, name, mean),
        weights=OWN[name],
    )


RECIPES: dict[str, Recipe] = {
    "pocket": Recipe(
        lambda read: pocket.build(read()).layers,
        pocket.build,
        OWN["pocket"],
        shipped="64282ff76ceba19d7747474b0fd24d3989c22ef03dd2a76c0ede06eaab13f35d",
    ),
    "googlenet": caffe_googlenet("googlenet", googlenet.MEAN_BGR),
    "places205": caffe_googlenet("places205", (105.488, 113.741, 116.060)),
    "places365": caffe_googlenet("places365", (104.051, 112.514, 116.676)),
}

CLASSES = {1000: "googlenet", 205: "places205", 365: "places365"}
"""Which network of GoogLeNet's layers has a classifier of so many classes."""


def known_networks() -> list[str]:
    """Return the networks by name; besides them there is `torchvision:NAME`."""
    return list(RECIPES)


def recipe(network: str) -> Recipe:
    """Return how a network is made, or raise SettingsError with the nearest names."""
    if network.startswith(PREFIX):
        return zoo_recipe(network)
    if network not in RECIPES:
        known = [*RECIPES, *(PREFIX + name for name in WELL_KNOWN)]
        hint = nearest(network, known) or f"; there is {', '.join(RECIPES)} and torchvision:NAME"
        raise SettingsError(f"there is no network {network!r}{hint}")
    return RECIPES[network]


def zoo_recipe(network: str) -> Recipe:
    """Return the recipe of one of torchvision's classifiers."""
    return Recipe(
        layers=lambda read: zoo.layers(network),
        build=partial(zoo.build, network),
        weights=of_torchvision(network, zoo.classifier(network).urls),
    )
