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

from dreamflow.errors import WeightsError
from dreamflow.networks import googlenet
from dreamflow.networks.googlenet import Width
from dreamflow.networks.graph import HIDDEN, SOURCE, GraphNetwork, Node

TRUNK = HIDDEN + "trunk/"
"""What the names of the trunk's layers begin with."""


def read_out(last: str) -> list[Node]:
    """Return GoogLeNet's graph up to a layer. Raises WeightsError for an unknown one."""
    graph = googlenet.nodes()
    for number, node in enumerate(graph, start=1):
        if node.name == last:
            return graph[:number]
    raise WeightsError(f"there is no layer {last!r} to end at")


def nodes(width: Width, last: str) -> list[Node]:
    """Return the graph of a pocket: the trunk, then all layers up to `last`."""
    layers = read_out(last)
    deepest = {node.name for node in layers}
    graph: list[Node] = []
    for node in googlenet.nodes(width):
        # The trunk does without the second normalisation: it costs much, and was seen to help
        # nothing. Without the first one a dream is a third as good.
        if node.name in deepest and node.name != "conv2/norm2":
            inputs = tuple(_in_trunk(name) for name in node.inputs)
            graph.append(replace(node, name=TRUNK + node.name, inputs=inputs))
    for node in layers:
        if node.kind == "conv":
            node = Node(node.name, "conv", (TRUNK + node.name,), node.channels)
        graph.append(node)
    return graph


def _in_trunk(name: str) -> str:
    """Return which layer of the trunk stands for an input of GoogLeNet's graph."""
    if name == SOURCE:
        return SOURCE
    return TRUNK + ("conv2/3x3" if name == "conv2/norm2" else name)


def nodes_of(weights: Mapping[str, Tensor]) -> list[Node]:
    """Return the graph that these weights were trained for."""

    def width(name: str, channels: int) -> int:
        weight = weights.get(f"{TRUNK}{name}.weight")
        return channels if weight is None else int(weight.shape[0])

    last = ""
    for node in googlenet.nodes():
        if node.kind == "conv" and f"{node.name}.weight" not in weights:
            break
        if not node.name.endswith("/pool"):
            last = node.name
    return nodes(width, last)


def build(weights: Mapping[str, Tensor], weights_hash: str = "") -> GraphNetwork:
    """Build the network from `<layer>.weight` (OIHW, BGR in) and `.bias`. Raises WeightsError."""
    first = f"{TRUNK}conv1/7x7_s2.weight"
    if first not in weights and "inception_5b/1x1.weight" in weights:
        raise WeightsError("these are GoogLeNet's weights, no pocket's: add --network googlenet")
    if first not in weights:
        raise WeightsError(f"these weights do not fit pocket: {first} is missing")
    categories = googlenet.categories()
    mean = googlenet.MEAN_BGR
    return GraphNetwork("pocket", nodes_of(weights), weights, mean, categories, weights_hash)
