"""GoogLeNet exactly as Caffe's bvlc_googlenet has it, every blob a layer by its Caffe name.

Szegedy et al. 2014, "Going deeper with convolutions", and BVLC's deploy.prototxt: no batch
normalisation, two local response norms, true 5x5 convolutions, max pools that round up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from dreamflow.errors import WeightsError
from dreamflow.networks.graph import SOURCE, GraphNetwork, Node, describe
from dreamflow.networks.network import Layer
from dreamflow.target import CLASS

MEAN_BGR = (104.0, 117.0, 123.0)

CLASSIFIER = "loss3/classifier"
"""The layer that names the classes. Caffe gives it the mean over the picture, of 7x7 positions; a
sum of products it is, so its mean over the positions is the same, for a picture of any size."""

MODULES: dict[str, tuple[int, int, int, int, int, int]] = {
    # channels of: 1x1, 3x3_reduce, 3x3, 5x5_reduce, 5x5, pool_proj
    "inception_3a": (64, 96, 128, 16, 32, 32),
    "inception_3b": (128, 128, 192, 32, 96, 64),
    "inception_4a": (192, 96, 208, 16, 48, 64),
    "inception_4b": (160, 112, 224, 24, 64, 64),
    "inception_4c": (128, 128, 256, 24, 64, 64),
    "inception_4d": (112, 144, 288, 32, 64, 64),
    "inception_4e": (256, 160, 320, 32, 128, 128),
    "inception_5a": (256, 160, 320, 32, 128, 128),
    "inception_5b": (384, 192, 384, 48, 128, 128),
}

CONTOUR = "contour and texture"
SWIRLS = "swirls and fur"
CELLS = "cellular structures"
DEEPER = "deeper dreams"

CATEGORIES: dict[str, str] = {
    # The 2015 guide's own, by what each layer did to its author's portrait.
    "conv1/7x7_s2": CONTOUR,
    "pool1/3x3_s2": CONTOUR,
    "pool1/norm1": CONTOUR,
    "conv2/3x3_reduce": CONTOUR,
    "conv2/3x3": CONTOUR,
    "conv2/norm2": CONTOUR,
    "inception_3a/1x1": CONTOUR,
    "inception_3a/5x5": CONTOUR,
    "inception_3a/pool_proj": CONTOUR,
    "inception_3b/5x5": CONTOUR,
    "inception_3b/5x5_reduce": CONTOUR,
    "inception_3b/3x3": SWIRLS,
    "inception_3a/output": SWIRLS,
    "inception_3b/pool_proj": SWIRLS,
    "inception_4c/1x1": SWIRLS,
    "inception_3a/3x3_reduce": CELLS,
}
"""Categories of the guide. It calls all from inception_4b up "deeper dreams"; see `category`."""


Width = Callable[[str, int], int]
"""How many channels a convolution gets, from its name and its channels in Caffe."""


def full_width(name: str, channels: int) -> int:
    """Return Caffe's channels."""
    return channels


def inception(name: str, source: str, width: Width) -> list[Node]:
    """Return the eight layers of an inception module that reads `source`."""
    branches = ("1x1", "3x3_reduce", "3x3", "5x5_reduce", "5x5", "pool_proj")
    one, three_reduce, three, five_reduce, five, projection = (
        width(f"{name}/{branch}", channels)
        for branch, channels in zip(branches, MODULES[name], strict=True)
    )
    return [
        Node(f"{name}/1x1", "conv", (source,), one),
        Node(f"{name}/3x3_reduce", "conv", (source,), three_reduce),
        Node(f"{name}/3x3", "conv", (f"{name}/3x3_reduce",), three, kernel=3, pad=1),
        Node(f"{name}/5x5_reduce", "conv", (source,), five_reduce),
        Node(f"{name}/5x5", "conv", (f"{name}/5x5_reduce",), five, kernel=5, pad=2),
        Node(f"{name}/pool", "pool", (source,), kernel=3, pad=1),
        Node(f"{name}/pool_proj", "conv", (f"{name}/pool",), projection),
        Node(
            f"{name}/output",
            "concat",
            tuple(f"{name}/{branch}" for branch in ("1x1", "3x3", "5x5", "pool_proj")),
        ),
    ]


def nodes(width: Width = full_width) -> list[Node]:
    """Return the whole graph below the classifier: 81 layers, shallow to deep."""
    first, reduce, second = (
        width(name, channels)
        for name, channels in (("conv1/7x7_s2", 64), ("conv2/3x3_reduce", 64), ("conv2/3x3", 192))
    )
    graph = [
        Node("conv1/7x7_s2", "conv", (SOURCE,), first, kernel=7, stride=2, pad=3),
        Node("pool1/3x3_s2", "pool", ("conv1/7x7_s2",), kernel=3, stride=2),
        Node("pool1/norm1", "norm", ("pool1/3x3_s2",)),
        Node("conv2/3x3_reduce", "conv", ("pool1/norm1",), reduce),
        Node("conv2/3x3", "conv", ("conv2/3x3_reduce",), second, kernel=3, pad=1),
        Node("conv2/norm2", "norm", ("conv2/3x3",)),
        Node("pool2/3x3_s2", "pool", ("conv2/norm2",), kernel=3, stride=2),
    ]
    pools_after = {"inception_3b": "pool3/3x3_s2", "inception_4e": "pool4/3x3_s2"}
    source = graph[-1].name
    for name in MODULES:
        graph += inception(name, source, width)
        source = f"{name}/output"
        if name in pools_after:
            graph.append(Node(pools_after[name], "pool", (source,), kernel=3, stride=2))
            source = pools_after[name]
    return graph


def category(layer: str) -> str:
    """Return a layer's category in the guide.

    What the guide does not name was judged by eye on a sky: up to inception_3a contour and
    texture, inception_3b and 4a swirls and fur, all above the deeper dreams, but for a few.
    """
    if layer in CATEGORIES:
        return CATEGORIES[layer]
    if layer in ("inception_3a/3x3", "inception_3b/pool"):
        return CELLS
    if layer in {f"inception_4a/{branch}" for branch in ("3x3", "5x5_reduce", "5x5", "output")}:
        return DEEPER
    if layer.startswith(("pool2", "inception_3a")):
        return CONTOUR
    if layer.startswith(("inception_3b", "pool3", "inception_4a")):
        return SWIRLS
    return DEEPER


def categories() -> dict[str, str]:
    """Return the category of every layer."""
    return {node.name: category(node.name) for node in nodes()}


def layers() -> dict[str, Layer]:
    """Return the facts of every layer, shallow to deep."""
    return describe(nodes(), categories())


def build(
    weights: Mapping[str, Tensor],
    weights_hash: str = "",
    name: str = "googlenet",
    mean: Sequence[float] = MEAN_BGR,
) -> GraphNetwork:
    """Build the network from Caffe's weights: `<layer>.weight` (OIHW, BGR in) and `.bias`.

    The classifier's may be missing. name, mean: of a network of the same shape that was trained on
    other pictures.
    """
    graph, weights = nodes(), dict(weights)
    weight, bias = (weights.get(f"{CLASSIFIER}.{part}") for part in ("weight", "bias"))
    if weight is not None and bias is not None:
        width = layers()[graph[-1].name].channels
        count = bias.numel()
        if weight.numel() != count * width:
            raise WeightsError(
                f"these weights do not fit {name}: {CLASSIFIER}.weight is "
                f"{tuple(weight.shape)}, not {(count, width)}"
            )
        weights[f"{CLASS}.weight"] = weight.reshape(count, width, 1, 1)
        weights[f"{CLASS}.bias"] = bias.reshape(count)
        graph.append(Node(CLASS, "head", (graph[-1].name,), count))
    return GraphNetwork(name, graph, weights, mean, categories(), weights_hash)
