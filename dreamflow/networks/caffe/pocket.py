"""The pocket network: a narrow GoogLeNet with the layers of the full one, channel by channel.

It is two graphs in one. The *trunk* is GoogLeNet with fewer channels, as deep as it was trained;
its layers are hidden. Every layer that can be dreamed on is *read out* of the trunk's layer of the
same name by a 1x1 convolution with GoogLeNet's own number of channels, so a channel of pocket is
the same channel of GoogLeNet. Readouts cost little: only that of the layer dreamed on is computed.

The trunk saves what the gradient of a dream does not miss:

- Its inception modules have no pool branch: a 1x1 convolution of the module's input takes its
  place, as further channels of the module's own.
- A convolution of low rank is two: one of its kernel to few channels, its *factor*, and a 1x1 to
  all of them (Jaderberg et al. 2014, "Speeding up Convolutional Neural Networks with Low Rank
  Expansions").

Widths, ranks and depth follow from the weights, so one builder serves every pocket that
`dreamflow distill` makes or made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from torch import Tensor

from dreamflow.core.errors import WeightsError, named
from dreamflow.networks.caffe.googlenet import MEAN_BGR, list_layer_categories
from dreamflow.networks.caffe.googlenet_graph import (
    INCEPTION_CHANNELS,
    WidthRule,
    make_googlenet_nodes,
)
from dreamflow.networks.caffe.graph import GraphNetwork
from dreamflow.networks.caffe.node import HIDDEN_PREFIX, INPUT_NODE, Node

TRUNK_PREFIX = HIDDEN_PREFIX + "trunk/"
"""Prefix of the names of the trunk's layers."""
FACTOR_SUFFIX = "/factor"
"""Suffix of the name of the first of the two convolutions that make one of low rank."""


@dataclass(frozen=True)
class TrunkShape:
    """The shape of a trunk.

    Attributes:
        width: Channels of its convolutions.
        ranks: Channels of the factors, by convolution; those not named have none.
        has_pool_branches: Whether its inception modules have pool branches.
    """

    width: WidthRule
    ranks: Mapping[str, int] = field(default_factory=dict[str, int])
    has_pool_branches: bool = False


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


def make_pocket_nodes(shape: TrunkShape, last: str) -> list[Node]:
    """Return the graph of a pocket: the trunk, then the readouts.

    Args:
        shape: Of the trunk.
        last: The deepest layer.

    Raises:
        WeightsError: GoogLeNet has no layer `last`.
    """
    layers = make_readout_nodes(last)
    graph = _make_trunk_nodes(shape, {node.name for node in layers})
    trunk = {node.name for node in graph}
    for node in layers:
        if node.kind == "conv":
            source = TRUNK_PREFIX + node.name
            if source not in trunk:  # a pool branch, whose channels are among those of the 1x1
                source = source.replace("/pool_proj", "/1x1")
            node = Node(node.name, "conv", (source,), node.channels)
        graph.append(node)
    return graph


def _make_trunk_nodes(shape: TrunkShape, names: set[str]) -> list[Node]:
    """Return the trunk's nodes that stand for GoogLeNet's layers of some names."""
    graph: list[Node] = []
    for node in make_googlenet_nodes(shape.width):
        # The trunk has no second normalisation: it costs much and improves nothing. Without the
        # first one a dream is a third as good.
        if node.name not in names or node.name == "conv2/norm2":
            continue
        inputs = tuple(_map_trunk_input(name) for name in node.inputs)
        if not shape.has_pool_branches:
            if _is_in_pool_branch(node.name):
                continue
            inputs = tuple(name for name in inputs if not _is_in_pool_branch(name))
        node = replace(node, name=TRUNK_PREFIX + node.name, inputs=inputs)
        rank = shape.ranks.get(node.name.removeprefix(TRUNK_PREFIX))
        if rank is not None:
            factor = node.name + FACTOR_SUFFIX
            graph.append(replace(node, name=factor, kind="linear", channels=rank))
            node = Node(node.name, "conv", (factor,), node.channels)
        graph.append(node)
    return graph


def _is_in_pool_branch(name: str) -> bool:
    return name.endswith(("/pool", "/pool_proj"))


def _map_trunk_input(name: str) -> str:
    """Return the trunk's layer for an input in GoogLeNet's graph."""
    if name == INPUT_NODE:
        return INPUT_NODE
    return TRUNK_PREFIX + ("conv2/3x3" if name == "conv2/norm2" else name)


def absorb_pool_branches(width: WidthRule) -> WidthRule:
    """Return widths with the channels of each pool branch added to those of its module's 1x1."""

    def absorbing_width(name: str, channels: int) -> int:
        module, _, branch = name.rpartition("/")
        if branch != "1x1":
            return width(name, channels)
        projection = INCEPTION_CHANNELS[module][-1]
        return width(name, channels) + width(f"{module}/pool_proj", projection)

    return absorbing_width


def infer_pocket_nodes(weights: Mapping[str, Tensor]) -> list[Node]:
    """Return the graph that weights, `<layer>.weight` (O, I, kH, kW), were trained for."""

    def width(name: str, channels: int) -> int:
        weight = weights.get(f"{TRUNK_PREFIX}{name}.weight")
        return channels if weight is None else int(weight.shape[0])

    last, ranks, has_pool_branches = "", dict[str, int](), False
    for node in make_googlenet_nodes():
        if node.kind == "conv" and f"{node.name}.weight" not in weights:
            break
        if not node.name.endswith("/pool"):
            last = node.name
        factor = weights.get(f"{TRUNK_PREFIX}{node.name}{FACTOR_SUFFIX}.weight")
        if factor is not None:
            ranks[node.name] = int(factor.shape[0])
        if f"{TRUNK_PREFIX}{node.name}.weight" in weights and _is_in_pool_branch(node.name):
            has_pool_branches = True
    return make_pocket_nodes(TrunkShape(width, ranks, has_pool_branches), last)


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
