"""GoogLeNet as a network: its layers' facts and categories, and how it is built from weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from dreamflow.core.errors import WeightsError
from dreamflow.core.targets import CLASS_LAYER
from dreamflow.networks.caffe.googlenet_graph import make_googlenet_nodes
from dreamflow.networks.caffe.graph import GraphNetwork, describe_graph_layers
from dreamflow.networks.caffe.node import Node
from dreamflow.networks.kernels.selection import KernelChoice
from dreamflow.networks.network import Layer

MEAN_BGR = (104.0, 117.0, 123.0)
"""Mean of ImageNet's blue, green and red channels, 0 to 255, as Caffe subtracts it."""

CLASSIFIER_LAYER = "loss3/classifier"
"""The layer whose channels are the classes. Caffe feeds it the mean over 7x7 positions; since it is
linear, the mean of its outputs over the positions is the same, for an image of any size."""

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
"""Categories that the guide names; `find_layer_category` has those of all other layers."""


def find_layer_category(layer: str) -> str:
    """Return a layer's category in the 2015 guide.

    Layers that the guide does not name were judged by eye on a sky: contour and texture up to
    inception_3a, swirls and fur in inception_3b and 4a, deeper dreams above, with a few exceptions.
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
    kernels: KernelChoice = "auto",
) -> GraphNetwork:
    """Build the network, or one of the same shape that was trained on other pictures.

    Args:
        weights: Caffe's, `<layer>.weight` (O, I, kH, kW) over BGR input and `<layer>.bias` (O,);
            the classifier's may be missing.
        weights_hash: SHA-256 of the weights file.
        name: Of the network.
        mean: Of the blue, green and red channels that it was trained with, 0 to 255.
        kernels: Which operators to run on.

    Returns:
        The network on the CPU, in float32.

    Raises:
        WeightsError: A tensor is missing, of a wrong shape, or not finite.
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
    return GraphNetwork(name, graph, weights, mean, list_layer_categories(), weights_hash, kernels)
