"""The pocket network: a narrow GoogLeNet with the layers of the full one, channel by channel.

It is two graphs in one. The *trunk* is GoogLeNet with fewer channels, as deep as it was trained;
its layers are hidden. Every layer that can be dreamed on is *read out* of the trunk's layer of the
same name by a 1x1 convolution with GoogLeNet's own number of channels, so a channel of pocket is
the same channel of GoogLeNet. Readouts cost little: only that of the layer dreamed on is computed.

Widths and depth follow from the weights, so one builder serves every pocket that
`dreamflow distill` makes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from dreamflow.core.errors import WeightsError, named
from dreamflow.networks.caffe.googlenet import MEAN_BGR, list_layer_categories
from dreamflow.networks.caffe.googlenet_graph import WidthRule, make_googlenet_nodes
from dreamflow.networks.caffe.graph import GraphNetwork
from dreamflow.networks.caffe.node import HIDDEN_PREFIX, INPUT_NODE, Node

TRUNK_PREFIX = HIDDEN_PREFIX + "trunk/"
"""Prefix of the names of the trunk's layers."""


def make_readout_nodes(last: str) -> list[Node]:
    """Return GoogLeNet's graph up to a layer, the last one included.

    Raises:
        WeightsError: GoogLeNet has no such layer.
    """
    graph = make_googlenet_nodes()
    for number, node in enumerate(graph, start=1):
        if node.name == last:
            return graph[:number]
    raise WeightsError(f"GoogLeNet has no layer {last!r} for a pocket to end at")


def make_pocket_nodes(width: WidthRule, last: str) -> list[Node]:
    """Return the graph of a pocket: the trunk, then the readouts.

    Args:
        width: Channels of the trunk's convolutions.
        last: The deepest layer.

    Raises:
        WeightsError: GoogLeNet has no layer `last`.
    """
    layers = make_readout_nodes(last)
    names = {node.name for node in layers}
    graph: list[Node] = []
    for node in make_googlenet_nodes(width):
        # The trunk has no second normalisation: it costs much and improves nothing. Without the
        # first one a dream is a third as good.
        if node.name in names and node.name != "conv2/norm2":
            inputs = tuple(_map_trunk_input(name) for name in node.inputs)
            graph.append(replace(node, name=TRUNK_PREFIX + node.name, inputs=inputs))
    for node in layers:
        if node.kind == "conv":
            node = Node(node.name, "conv", (TRUNK_PREFIX + node.name,), node.channels)
        graph.append(node)
    return graph


def _map_trunk_input(name: str) -> str:
    """Return the trunk's layer for an input in GoogLeNet's graph."""
    if name == INPUT_NODE:
        return INPUT_NODE
    return TRUNK_PREFIX + ("conv2/3x3" if name == "conv2/norm2" else name)


def infer_pocket_nodes(weights: Mapping[str, Tensor]) -> list[Node]:
    """Return the graph that weights, `<layer>.weight` (O, I, kH, kW), were trained for."""

    def width(name: str, channels: int) -> int:
        weight = weights.get(f"{TRUNK_PREFIX}{name}.weight")
        return channels if weight is None else int(weight.shape[0])

    last = ""
    for node in make_googlenet_nodes():
        if node.kind == "conv" and f"{node.name}.weight" not in weights:
            break
        if not node.name.endswith("/pool"):
            last = node.name
    return make_pocket_nodes(width, last)


def build_pocket(weights: Mapping[str, Tensor], weights_hash: str = "") -> GraphNetwork:
    """Build a pocket.

    Args:
        weights: `<layer>.weight` (O, I, kH, kW) over BGR input and `<layer>.bias` (O,).
        weights_hash: SHA-256 of the weights file.

    Raises:
        WeightsError: The weights are GoogLeNet's, or do not fit.
    """
    first = f"{TRUNK_PREFIX}conv1/7x7_s2.weight"
    if first not in weights and "inception_5b/1x1.weight" in weights:
        raise WeightsError(
            f"these are GoogLeNet's weights, not a pocket's: add {named('network')} googlenet",
            setting="network",
        )
    if first not in weights:
        raise WeightsError(f"these weights do not fit pocket: {first} is missing")
    nodes = infer_pocket_nodes(weights)
    return GraphNetwork("pocket", nodes, weights, MEAN_BGR, list_layer_categories(), weights_hash)
