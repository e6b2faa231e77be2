"""The networks that DreamFlow knows: how each is made, and where its weights come from."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal

from torch import Tensor

from dreamflow.errors import SettingsError, nearest
from dreamflow.networks import googlenet, pocket, zoo
from dreamflow.networks.network import Layer, Network

Tensors = Mapping[str, Tensor]


@dataclass(frozen=True)
class Source:
    """Where a weights file is published. digest: its checksum, or its first digits; "" for none."""

    url: str
    filename: str
    algorithm: Literal["sha1", "sha256"] = "sha256"
    digest: str = ""


@dataclass(frozen=True)
class Recipe:
    """How a network is made.

    layers: facts of the layers; it reads the weights, by the function given, only where the
    network's shape is that of its weights. filenames: of the weights, the first one to be found
    counts; what DreamFlow writes has the first name. source: where they are published. shipped:
    SHA-256 of the file that comes with DreamFlow, where one does.
    """

    layers: Callable[[Callable[[], Tensors]], dict[str, Layer]]
    build: Callable[[Tensors, str], Network]
    filenames: tuple[str, ...]
    source: Source | None = None
    shipped: str = ""


def caffe_googlenet(
    name: str, source: Source | None, filename: str, mean: tuple[float, ...]
) -> Recipe:
    """Return the recipe of a network with GoogLeNet's layers, trained on some pictures."""
    caffemodel = [source.filename] if source else []
    return Recipe(
        layers=lambda read: googlenet.layers(),
        build=lambda tensors, digest: googlenet.build(tensors, digest, name, mean),
        filenames=(filename, *caffemodel),
        source=source,
    )


RECIPES: dict[str, Recipe] = {
    "pocket": Recipe(
        lambda read: pocket.build(read()).layers,
        pocket.build,
        ("pocket.safetensors",),
        shipped="64282ff76ceba19d7747474b0fd24d3989c22ef03dd2a76c0ede06eaab13f35d",
    ),
    # The address and the checksum are those of the Caffe model zoo.
    "googlenet": caffe_googlenet(
        "googlenet",
        Source(
            "http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel",
            "bvlc_googlenet.caffemodel",
            "sha1",
            "405fc5acd08a3bb12de8ee5e23a96bec22f08204",
        ),
        "bvlc_googlenet.safetensors",
        googlenet.MEAN_BGR,
    ),
    # GoogLeNets that learnt places, by Zhou et al. (2014, 2017). Their address for the second is
    # in CSAILVision/places365; the first one is published in an archive, so it is imported only.
    "places205": caffe_googlenet(
        "places205", None, "googlenet_places205.safetensors", (105.488, 113.741, 116.060)
    ),
    "places365": caffe_googlenet(
        "places365",
        Source(
            "http://places2.csail.mit.edu/models_places365/googlenet_places365.caffemodel",
            "googlenet_places365.caffemodel",
        ),
        "googlenet_places365.safetensors",
        (104.051, 112.514, 116.676),
    ),
}

CLASSES = {1000: "googlenet", 205: "places205", 365: "places365"}
"""Which network of GoogLeNet's layers has a classifier of so many classes."""


def known_networks() -> list[str]:
    """Return the networks by name; besides them there is `torchvision:NAME`."""
    return list(RECIPES)


def recipe(network: str) -> Recipe:
    """Return how a network is made, or raise SettingsError with the nearest names."""
    if network.startswith(zoo.PREFIX):
        return zoo_recipe(network)
    if network not in RECIPES:
        known = [*RECIPES, *(zoo.PREFIX + name for name in zoo.WELL_KNOWN)]
        hint = nearest(network, known) or f"; there is {', '.join(RECIPES)} and torchvision:NAME"
        raise SettingsError(f"there is no network {network!r}{hint}")
    return RECIPES[network]


def zoo_recipe(network: str) -> Recipe:
    """Return the recipe of one of torchvision's classifiers."""
    sources = [torchvision_source(url) for url in zoo.classifier(network).urls]
    return Recipe(
        layers=lambda read: zoo.layers(network),
        build=partial(zoo.build, network),
        filenames=(
            f"{network.replace(':', '-')}.safetensors",
            *(source.filename for source in sources),
        ),
        source=sources[0],
    )


def torchvision_source(url: str) -> Source:
    """Return the source of weights whose name holds the first digits of their SHA-256."""
    filename = url.rsplit("/", 1)[-1]
    digits = re.search(r"-([0-9a-f]{8,})\.", filename)
    return Source(url, filename, "sha256", digits.group(1) if digits else "")
