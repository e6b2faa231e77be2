"""The pocket network: GoogLeNet's graph and layer names, narrower, and as deep as it was trained.

Its channels are read from its weights, so one builder serves every pocket that `dreamflow distill`
makes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from dreamflow.errors import WeightsError
from dreamflow.networks import googlenet
from dreamflow.networks.graph import Network, Node


def up_to(graph: Sequence[Node], last: str) -> list[Node]:
    """Return the graph up to a layer, that one included. Raises WeightsError for an unknown one."""
    for number, node in enumerate(graph, start=1):
        if node.name == last:
            return list(graph[:number])
    raise WeightsError(f"there is no layer {last!r} to end at")


def nodes_of(weights: Mapping[str, Tensor]) -> list[Node]:
    """Return the graph whose convolutions are those in `weights`, with their channels."""

    def width(name: str, channels: int) -> int:
        weight = weights.get(f"{name}.weight")
        return channels if weight is None else int(weight.shape[0])

    kept: list[Node] = []
    for node in googlenet.nodes(width):
        if node.kind == "conv" and f"{node.name}.weight" not in weights:
            break
        kept.append(node)
    # A module that was begun but not finished is left out.
    while kept and kept[-1].kind == "pool" and kept[-1].name.endswith("/pool"):
        kept.pop()
    return kept


def build(weights: Mapping[str, Tensor], weights_hash: str = "") -> Network:
    """Build the network from `<layer>.weight` (OIHW, BGR in) and `.bias`. Raises WeightsError."""
    if "conv1/7x7_s2.weight" not in weights:
        raise WeightsError("these weights do not fit pocket: conv1/7x7_s2.weight is missing")
    categories = googlenet.categories()
    mean = googlenet.MEAN_BGR
    return Network("pocket", nodes_of(weights), weights, mean, categories, weights_hash)
