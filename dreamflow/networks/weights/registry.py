"""Where the weights of networks are published, and the names of their files.

Nothing here imports PyTorch, so that networks can be listed at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

DEFAULT_NETWORK = "pocket"
"""The network whose weights come with DreamFlow."""
TORCHVISION_PREFIX = "torchvision:"
"""Prefix of the names of torchvision's classifiers."""
TORCHVISION_DOWNLOAD_URL = "https://download.pytorch.org/models/"
"""Folder of torchvision's weights files."""
MAX_WEIGHTS_BYTES = 4 << 30
"""No network's weights are larger."""
MAX_GOOGLENET_BYTES = 64 << 20
"""Caffe's GoogLeNets have some 53.5 million bytes (1,000 classes), or fewer."""


@dataclass(frozen=True)
class WeightsSource:
    """Where a weights file is published.

    Attributes:
        url: Of the file, over HTTP.
        filename: Under which it is stored.
        algorithm: Of the checksum.
        digest: The checksum in hexadecimal, or its first digits; "" where none is published.
        max_bytes: More than the published file has.
    """

    url: str
    filename: str
    algorithm: Literal["sha1", "sha256"] = "sha256"
    digest: str = ""
    max_bytes: int = MAX_WEIGHTS_BYTES


@dataclass(frozen=True)
class PublishedWeights:
    """The weights of a network.

    Attributes:
        filenames: Names that their file may have; the first one found is used, and DreamFlow
            itself writes the first.
        source: Where they are published; None where they cannot be fetched.
        shipped_sha256: SHA-256 of the file that comes with DreamFlow; "" where none does.
    """

    filenames: tuple[str, ...]
    source: WeightsSource | None = None
    shipped_sha256: str = ""


BUILTIN_NETWORK_WEIGHTS: dict[str, PublishedWeights] = {
    "pocket": PublishedWeights(
        ("pocket.safetensors",),
        shipped_sha256="32503182d9511593cbe1dccd45140675aa0d3f80183ead170443238943058426",
    ),
    # The address and the checksum are those of the Caffe model zoo.
    "googlenet": PublishedWeights(
        ("bvlc_googlenet.safetensors", "bvlc_googlenet.caffemodel"),
        WeightsSource(
            "http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel",
            "bvlc_googlenet.caffemodel",
            "sha1",
            "405fc5acd08a3bb12de8ee5e23a96bec22f08204",
            MAX_GOOGLENET_BYTES,
        ),
    ),
    # GoogLeNets trained on places, by Zhou et al. (2014, 2017). The first is published inside an
    # archive, so it can only be imported; the second's address is that of CSAILVision/places365.
    "places205": PublishedWeights(("googlenet_places205.safetensors",)),
    "places365": PublishedWeights(
        ("googlenet_places365.safetensors", "googlenet_places365.caffemodel"),
        WeightsSource(
            "http://places2.csail.mit.edu/models_places365/googlenet_places365.caffemodel",
            "googlenet_places365.caffemodel",
            max_bytes=MAX_GOOGLENET_BYTES,
        ),
    ),
}
"""Weights of the networks that are not torchvision's, by network."""

EARLIER_POCKETS: dict[str, str] = {
    "64282ff76ceba19d7747474b0fd24d3989c22ef03dd2a76c0ede06eaab13f35d": "pocket-1.safetensors",
}
"""Weights that came with earlier versions as pocket's: their names by their SHA-256."""


def describe_hash(sha256: str) -> str:
    """Return in words which file of weights has a SHA-256, by its name where that is known."""
    name = f" ({EARLIER_POCKETS[sha256]})" if sha256 in EARLIER_POCKETS else ""
    return f"whose SHA-256 begins with {sha256[:12]}{name}"


def parse_torchvision_url(url: str) -> WeightsSource:
    """Return the source of weights whose file name ends in the first digits of their SHA-256."""
    filename = url.rsplit("/", 1)[-1]
    digits = re.search(r"-([0-9a-f]{8,})\.", filename)
    return WeightsSource(url, filename, "sha256", digits.group(1) if digits else "")


def make_torchvision_weights(network: str, urls: tuple[str, ...]) -> PublishedWeights:
    """Return the weights of one of torchvision's classifiers.

    Args:
        network: `torchvision:NAME`.
        urls: Of its weights, the best ones first.
    """
    sources = [parse_torchvision_url(url) for url in urls]
    imported = f"{network.replace(':', '-')}.safetensors"
    return PublishedWeights((imported, *(source.filename for source in sources)), sources[0])


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
"""Files of torchvision's best-known classifiers at `TORCHVISION_DOWNLOAD_URL`, the best ones first.
They are listed without importing torchvision; all its other classifiers work as well."""


def list_featured_torchvision_weights() -> dict[str, PublishedWeights]:
    """Return the weights of torchvision's best-known classifiers, by network."""
    return {
        TORCHVISION_PREFIX + name: make_torchvision_weights(
            TORCHVISION_PREFIX + name, tuple(TORCHVISION_DOWNLOAD_URL + file for file in files)
        )
        for name, files in FEATURED_TORCHVISION_FILES.items()
    }
