"""GoogLeNet exactly as Caffe's bvlc_googlenet has it, every blob a layer by its Caffe name.

Szegedy et al. 2014, "Going deeper with convolutions", and BVLC's deploy.prototxt: no batch
normalisation, two local response norms, true 5x5 convolutions, max pools that round up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from dreamflow.core.errors import WeightsError
from dreamflow.core.targets import CLASS_LAYER
from dreamflow.networks.caffe.graph import INPUT_NODE, GraphNetwork, Node, describe_graph_layers
from dreamflow.networks.network import Layer

MEAN_BGR = (104.0, 117.0, 123.0)

CLASSIFIER_LAYER = "loss3/classifier"
"""The layer that names the classes. Caffe gives it the mean over the picture, of 7x7 positions; a
sum of products it is, so its mean over the positions is the same, for a picture of any size."""

INCEPTION_CHANNELS: dict[str, tuple[int, int, int, int, int, int]] = {
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

CONTOUR_CATEGORY = "contour and texture"
SWIRLS_CATEGORY = "swirls and fur"
CELLS_CATEGORY = "cellular structures"
DEEPER_CATEGORY = "deeper dreams"

GUIDE_CATEGORIES: dict[str, str] = {
    # The 2015 guide's own, by what each layer did to its author's portrait.
    "conv1/7x7_s2": CONTOUR_CATEGORY,
    "pool1/3x3_s2": CONTOUR_CATEGORY,
    "pool1/norm1": CONTOUR_CATEGORY,
    "conv2/3x3_reduce": CONTOUR_CATEGORY,
    "conv2/3x3": CONTOUR_CATEGORY,
    "conv2/norm2": CONTOUR_CATEGORY,
    "inception_3a/1x1": CONTOUR_CATEGORY,
    "inception_3a/5x5": CONTOUR_CATEGORY,
    "inception_3a/pool_proj": CONTOUR_CATEGORY,
    "inception_3b/5x5": CONTOUR_CATEGORY,
    "inception_3b/5x5_reduce": CONTOUR_CATEGORY,
    "inception_3b/3x3": SWIRLS_CATEGORY,
    "inception_3a/output": SWIRLS_CATEGORY,
    "inception_3b/pool_proj": SWIRLS_CATEGORY,
    "inception_4c/1x1": SWIRLS_CATEGORY,
    "inception_3a/3x3_reduce": CELLS_CATEGORY,
}
"""Categories of the guide. It calls all from inception_4b up "deeper dreams"; see `category`."""


WidthRule = Callable[[str, int], int]
"""How many channels a convolution gets, from its name and its channels in Caffe."""


def keep_full_width(name: str, channels: int) -> int:
    """Return Caffe's channels."""
    return channels


def make_inception_nodes(name: str, source: str, width: WidthRule) -> list[Node]:
    """Return the eight layers of an inception module that reads `source`."""
    branches = ("1x1", "3x3_reduce", "3x3", "5x5_reduce", "5x5", "pool_proj")
    one, three_reduce, three, five_reduce, five, projection = (
        width(f"{name}/{branch}", channels)
        for branch, channels in zip(branches, INCEPTION_CHANNELS[name], strict=True)
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


def make_googlenet_nodes(width: WidthRule = keep_full_width) -> list[Node]:
    """Return the whole graph below the classifier: 81 layers, shallow to deep."""
    first, reduce, second = (
        width(name, channels)
        for name, channels in (("conv1/7x7_s2", 64), ("conv2/3x3_reduce", 64), ("conv2/3x3", 192))
    )
    graph = [
        Node("conv1/7x7_s2", "conv", (INPUT_NODE,), first, kernel=7, stride=2, pad=3),
        Node("pool1/3x3_s2", "pool", ("conv1/7x7_s2",), kernel=3, stride=2),
        Node("pool1/norm1", "norm", ("pool1/3x3_s2",)),
        Node("conv2/3x3_reduce", "conv", ("pool1/norm1",), reduce),
        Node("conv2/3x3", "conv", ("conv2/3x3_reduce",), second, kernel=3, pad=1),
        Node("conv2/norm2", "norm", ("conv2/3x3",)),
        Node("pool2/3x3_s2", "pool", ("conv2/norm2",), kernel=3, stride=2),
    ]
    pools_after = {"inception_3b": "pool3/3x3_s2", "inception_4e": "pool4/3x3_s2"}
    source = graph[-1].name
    for name in INCEPTION_CHANNELS:
        graph += make_inception_nodes(name, source, width)
        source = f"{name}/output"
        if name in pools_after:
            graph.append(Node(pools_after[name], "pool", (source,), kernel=3, stride=2))
            source = pools_after[name]
    return graph


def find_layer_category(layer: str) -> str:
    """Return a layer's category in the guide.

    What the guide does not name was judged by eye on a sky: up to inception_3a contour and
    texture, inception_3b and 4a swirls and fur, all above the deeper dreams, but for a few.
    """
    if layer in GUIDE_CATEGORIES:
        return GUIDE_CATEGORIES[layer]
    if layer in ("inception_3a/3x3", "inception_3b/pool"):
        return CELLS_CATEGORY
    if layer in {f"inception_4a/{branch}" for branch in ("3x3", "5x5_reduce", "5x5", "output")}:
        return DEEPER_CATEGORY
    if layer.startswith(("pool2", "inception_3a")):
        return CONTOUR_CATEGORY
    if layer.startswith(("inception_3b", "pool3", "inception_4a")):
        return SWIRLS_CATEGORY
    return DEEPER_CATEGORY


def list_layer_categories() -> dict[str, str]:
    """Return the category of every layer."""
    return {node.name: find_layer_category(node.name) for node in make_googlenet_nodes()}


def describe_googlenet_layers() -> dict[str, Layer]:
    """Return the facts of every layer, shallow to deep."""
    return describe_graph_layers(make_googlenet_nodes(), list_layer_categories())


def build_googlenet(
    weights: Mapping[str, Tensor],
    weights_hash: str = "",
    name: str = "googlenet",
    mean: Sequence[float] = MEAN_BGR,
) -> GraphNetwork:
    """Build the network from Caffe's weights: `<layer>.weight` (OIHW, BGR in) and `.bias`.

    The classifier's may be missing. name, mean: of a network of the same shape that was trained on
    other pictures.
    """
    graph, weights = make_googlenet_nodes(), dict(weights)
    weight, bias = (weights.get(f"{CLASSIFIER_LAYER}.{part}") for part in ("weight", "bias"))
    if weight is not None and bias is not None:
        width = describe_googlenet_layers()[graph[-1].name].channels
        count = bias.numel()
        if weight.numel() != count * width:
            raise WeightsError(
                f"these weights do not fit {name}: {CLASSIFIER_LAYER}.weight is "
                f"{tuple(weight.shape)}, not {(count, width)}"
            )
        weights[f"{CLASS_LAYER}.weight"] = weight.reshape(count, width, 1, 1)
        weights[f"{CLASS_LAYER}.bias"] = bias.reshape(count)
        graph.append(Node(CLASS_LAYER, "head", (graph[-1].name,), count))
    return GraphNetwork(name, graph, weights, mean, list_layer_categories(), weights_hash)
