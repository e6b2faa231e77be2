"""Where the weights of networks are published, and what their files are called.

Nothing here needs PyTorch, so that what there is can be listed at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

TORCHVISION_PREFIX = "torchvision:"
TORCHVISION_DOWNLOAD_URL = "https://download.pytorch.org/models/"


@dataclass(frozen=True)
class WeightsSource:
    """Where a weights file is published. digest: its checksum, or its first digits; "" for none."""

    url: str
    filename: str
    algorithm: Literal["sha1", "sha256"] = "sha256"
    digest: str = ""


@dataclass(frozen=True)
class PublishedWeights:
    """The weights of a network.

    filenames: the first one to be found counts; what DreamFlow writes has the first name. source:
    where they are published, None where they cannot be fetched.
    """

    filenames: tuple[str, ...]
    source: WeightsSource | None = None


BUILTIN_NETWORK_WEIGHTS: dict[str, PublishedWeights] = {
    "pocket": PublishedWeights(("pocket.safetensors",)),
    # The address and the checksum are those of the Caffe model zoo.
    "googlenet": PublishedWeights(
        ("bvlc_googlenet.safetensors", "bvlc_googlenet.caffemodel"),
        WeightsSource(
            "http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel",
            "bvlc_googlenet.caffemodel",
            "sha1",
            "405fc5acd08a3bb12de8ee5e23a96bec22f08204",
        ),
    ),
    # GoogLeNets that learnt places, by Zhou et al. (2014, 2017). Their address for the second is
    # in CSAILVision/places365; the first one is published in an archive, so it is imported only.
    "places205": PublishedWeights(("googlenet_places205.safetensors",)),
    "places365": PublishedWeights(
        ("googlenet_places365.safetensors", "googlenet_places365.caffemodel"),
        WeightsSource(
            "http://places2.csail.mit.edu/models_places365/googlenet_places365.caffemodel",
            "googlenet_places365.caffemodel",
        ),
    ),
}
"""The networks that are not torchvision's, by name."""


def parse_torchvision_url(url: str) -> WeightsSource:
    """Return the source of weights whose name holds the first digits of their SHA-256."""
    filename = url.rsplit("/", 1)[-1]
    digits = re.search(r"-([0-9a-f]{8,})\.", filename)
    return WeightsSource(url, filename, "sha256", digits.group(1) if digits else "")


def make_torchvision_weights(network: str, urls: tuple[str, ...]) -> PublishedWeights:
    """Return the weights of a classifier. urls: of its weights, the best ones first."""
    sources = [parse_torchvision_url(url) for url in urls]
    own = f"{network.replace(':', '-')}.safetensors"
    return PublishedWeights((own, *(source.filename for source in sources)), sources[0])


FEATURED_TORCHVISION_FILES: dict[str, tuple[str, ...]] = {
    "alexnet": ("alexnet-owt-7be5be79.pth",),
    "convnext_tiny": ("convnext_tiny-983f1562.pth",),
    "googlenet": ("googlenet-1378be20.pth",),
    "inception_v3": ("inception_v3_google-0cc3c7bd.pth",),
    "mobilenet_v3_large": (
        "mobilenet_v3_large-5c1a4163.pth",
        "mobilenet_v3_large-8738ca79.pth",
    ),
    "resnet50": ("resnet50-11ad3fa6.pth", "resnet50-0676ba61.pth"),
    "squeezenet1_1": ("squeezenet1_1-b8a52dc0.pth",),
    "vgg16": ("vgg16-397923af.pth", "vgg16_features-amdegroot-88682ab5.pth"),
    "vgg19": ("vgg19-dcbb9e9d.pth",),
}
"""torchvision's classifiers that lists show first, and their files at `DOWNLOADS`, the best ones
first; all others of the zoo work as well."""


def list_featured_torchvision_weights() -> dict[str, PublishedWeights]:
    """Return the weights of torchvision's well-known classifiers, by the network's name."""
    return {
        TORCHVISION_PREFIX + name: make_torchvision_weights(
            TORCHVISION_PREFIX + name, tuple(TORCHVISION_DOWNLOAD_URL + file for file in files)
        )
        for name, files in FEATURED_TORCHVISION_FILES.items()
    }
