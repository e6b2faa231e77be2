"""The pocket network: a narrow GoogLeNet with the layers of the full one, channel by channel.

It is two graphs in one. The *trunk* is GoogLeNet with fewer channels, as deep as it was trained;
its layers are hidden. Every layer that can be dreamed on is *read out* of the trunk's layer of the
same name by a 1x1 convolution with GoogLeNet's own number of channels, so a channel of pocket is
the same channel of GoogLeNet. A readout costs little, for only the layer dreamed on is read.

Widths and depth are those of the weights, so one builder serves every pocket that
`dreamflow distill` makes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from dreamflow.core.errors import WeightsError
from dreamflow.networks.caffe import googlenet
from dreamflow.networks.caffe.googlenet import WidthRule
from dreamflow.networks.caffe.graph import HIDDEN_PREFIX, INPUT_NODE, GraphNetwork, Node

TRUNK_PREFIX = HIDDEN_PREFIX + "trunk/"
"""What the names of the trunk's layers begin with."""


def make_readout_nodes(last: str) -> list[Node]:
    """Return GoogLeNet's graph up to a layer. Raises WeightsError for an unknown one."""
    graph = googlenet.make_googlenet_nodes()
    for number, node in enumerate(graph, start=1):
        if node.name == last:
            return graph[:number]
    raise WeightsError(f"there is no layer {last!r} to end at")


def make_pocket_nodes(width: WidthRule, last: str) -> list[Node]:
    """Return the graph of a pocket: the trunk, then all layers up to `last`."""
    layers = make_readout_nodes(last)
    deepest = {node.name for node in layers}
    graph: list[Node] = []
    for node in googlenet.make_googlenet_nodes(width):
        # The trunk does without the second normalisation: it costs much, and was seen to help
        # nothing. Without the first one a dream is a third as good.
        if node.name in deepest and node.name != "conv2/norm2":
            inputs = tuple(_map_trunk_input(name) for name in node.inputs)
            graph.append(replace(node, name=TRUNK_PREFIX + node.name, inputs=inputs))
    for node in layers:
        if node.kind == "conv":
            node = Node(node.name, "conv", (TRUNK_PREFIX + node.name,), node.channels)
        graph.append(node)
    return graph


def _map_trunk_input(name: str) -> str:
    """Return which layer of the trunk stands for an input of GoogLeNet's graph."""
    if name == INPUT_NODE:
        return INPUT_NODE
    return TRUNK_PREFIX + ("conv2/3x3" if name == "conv2/norm2" else name)


def infer_pocket_nodes(weights: Mapping[str, Tensor]) -> list[Node]:
    """Return the graph that these weights were trained for."""

    def width(name: str, channels: int) -> int:
        weight = weights.get(f"{TRUNK_PREFIX}{name}.weight")
        return channels if weight is None else int(weight.shape[0])

    last = ""
    for node in googlenet.make_googlenet_nodes():
        if node.kind == "conv" and f"{node.name}.weight" not in weights:
            break
        if not node.name.endswith("/pool"):
            last = node.name
    return make_pocket_nodes(width, last)


def build_pocket(weights: Mapping[str, Tensor], weights_hash: str = "") -> GraphNetwork:
    """Build the network from `<layer>.weight` (OIHW, BGR in) and `.bias`. Raises WeightsError."""
    first = f"{TRUNK_PREFIX}conv1/7x7_s2.weight"
    if first not in weights and "inception_5b/1x1.weight" in weights:
        raise WeightsError("these are GoogLeNet's weights, no pocket's: add --network googlenet")
    if first not in weights:
        raise WeightsError(f"these weights do not fit pocket: {first} is missing")
    categories = googlenet.list_layer_categories()
    mean = googlenet.MEAN_BGR
    return GraphNetwork(
        "pocket", infer_pocket_nodes(weights), weights, mean, categories, weights_hash
    )
