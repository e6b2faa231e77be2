"""A network as a graph of named layers, of which only what is wanted is ever computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamflow.core.errors import WeightsError
from dreamflow.core.targets import CLASS_LAYER
from dreamflow.networks.kernels.convolution import FrozenConvolution, max_pool
from dreamflow.networks.kernels.response_norm import local_response_norm
from dreamflow.networks.network import Layer, Network

INPUT_NODE = "data"
"""Name of the graph's input, as in Caffe."""

HIDDEN_PREFIX = "~"
"""What the name of a layer begins with that is computed with, but not dreamed on."""


WEIGHTED_KINDS = ("conv", "head")
"""Kinds of layers that have weights."""


@dataclass(frozen=True)
class Node:
    """One operation of a network: its output is the layer of the same name.

    A convolution is followed by a ReLU, a head, which names classes, by nothing. `channels` is the
    number of their output channels; the other kinds derive theirs from their inputs. Pools are max
    pools with Caffe's `ceil_mode`.
    """

    name: str
    kind: Literal["conv", "pool", "norm", "concat", "head"]
    inputs: tuple[str, ...]
    channels: int = 0
    kernel: int = 1
    stride: int = 1
    pad: int = 0

    def output_side(self, side: int) -> int:
        """Return the height or width that comes out for `side` pixels in."""
        reach = side + 2 * self.pad - self.kernel
        if self.kind != "pool":
            return reach // self.stride + 1
        out = -(-reach // self.stride) + 1
        # As in Caffe, a last window that would start in the padding is dropped.
        return out - 1 if (out - 1) * self.stride >= side + self.pad else out


class GraphNetwork(Network):
    """A network of Caffe's kind: convolutions with ReLU, pools, norms, each a named node."""

    bfloat16_validated = True

    def __init__(
        self,
        name: str,
        nodes: Sequence[Node],
        weights: Mapping[str, Tensor],
        mean: Sequence[float],
        categories: Mapping[str, str] | None = None,
        weights_hash: str = "",
    ) -> None:
        """Build the network from its graph.

        weights: `<layer>.weight` (O, I, kH, kW) over BGR input and `<layer>.bias` (O,) for each
        convolution. mean: of each of the blue, green and red channels, in 0..255.
        Raises WeightsError where a tensor is missing or of a wrong shape.
        """
        facts = describe_graph_layers(nodes, categories)
        shown = {name: layer for name, layer in facts.items() if name[0] != HIDDEN_PREFIX}
        classes = shown.pop(CLASS_LAYER, None)
        super().__init__(name, shown, weights_hash)
        self.class_layer = classes
        self.nodes = {node.name: node for node in nodes}
        channels = {INPUT_NODE: 3} | {name: layer.channels for name, layer in facts.items()}
        checked = self._check_weights(weights, channels)
        self._convolutions = {
            node.name: FrozenConvolution(
                checked[f"{node.name}.weight"], checked[f"{node.name}.bias"], node.stride, node.pad
            )
            for node in nodes
            if node.kind in WEIGHTED_KINDS
        }
        self._mean = torch.tensor(list(reversed(mean)), dtype=torch.float32).view(1, 3, 1, 1)
        self._required_cache: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._releasable_cache: dict[tuple[str, ...], dict[str, list[str]]] = {}
        self._pool_only_cache: dict[tuple[str, ...], frozenset[str]] = {}

    def _check_weights(
        self, weights: Mapping[str, Tensor], channels: Mapping[str, int]
    ) -> dict[str, Tensor]:
        taken: dict[str, Tensor] = {}
        for node in self.nodes.values():
            if node.kind not in WEIGHTED_KINDS:
                continue
            shape = (node.channels, channels[node.inputs[0]], node.kernel, node.kernel)
            for key, expected in ((f"{node.name}.weight", shape), (f"{node.name}.bias", shape[:1])):
                if key not in weights:
                    raise WeightsError(f"these weights do not fit {self.name}: {key} is missing")
                if tuple(weights[key].shape) != expected:
                    found = tuple(weights[key].shape)
                    raise WeightsError(
                        f"these weights do not fit {self.name}: {key} is {found}, not {expected}"
                    )
                tensor = weights[key].detach().float()
                if not bool(torch.isfinite(tensor).all()):
                    raise WeightsError(f"these weights are damaged: {key} holds NaN or infinity")
                if node.inputs[0] == INPUT_NODE and key.endswith("weight"):
                    tensor = tensor.flip(1)  # images are RGB, Caffe's networks saw BGR
                taken[key] = tensor
        return taken

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> GraphNetwork:
        """Move the network to a device, let it compute in a dtype from now on, and return it."""
        self.device, self.dtype = torch.device(device), dtype or self.dtype
        self._convolutions = {
            name: layer.to(self.device, self.dtype) for name, layer in self._convolutions.items()
        }
        self._mean = self._mean.to(self.device)
        return self

    def compute(self, image: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
        """Return the activations of `names`, after the ReLU."""
        known = {INPUT_NODE: self.preprocess(image)}
        pooled, done_with = (
            self.find_pool_only_convolutions(names),
            self.find_releasable_inputs(names),
        )
        for name in self.find_required_layers(names):
            known[name] = self._compute_node(self.nodes[name], known, pooled)
            for source in done_with[name]:
                del known[source]
        return {name: known[name] for name in names}

    def preprocess(self, image: Tensor) -> Tensor:
        """Return an image (N, 3, H, W), RGB in [0, 1], as the first layer takes it."""
        seen = (image * 255 - self._mean).to(self.dtype)
        return seen.contiguous(memory_format=torch.channels_last)

    def find_required_layers(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return all layers that `names` need, themselves included, in the order of computing."""
        if names not in self._required_cache:
            wanted = set(names)
            for name in reversed(self.nodes):
                if name in wanted:
                    wanted.update(self.nodes[name].inputs)
            self._required_cache[names] = tuple(name for name in self.nodes if name in wanted)
        return self._required_cache[names]

    def find_releasable_inputs(self, names: tuple[str, ...]) -> dict[str, list[str]]:
        """Return for each layer which ones nothing after it needs, but for `names`."""
        if names not in self._releasable_cache:
            needed = self.find_required_layers(names)
            last = {source: name for name in needed for source in self.nodes[name].inputs}
            done: dict[str, list[str]] = {name: [] for name in needed}
            for source in last.keys() - set(names):
                done[last[source]].append(source)
            self._releasable_cache[names] = done
        return self._releasable_cache[names]

    def find_pool_only_convolutions(self, names: tuple[str, ...]) -> frozenset[str]:
        """Return the convolutions of which `names` need nothing but what a pool makes of them."""
        if names not in self._pool_only_cache:
            readers: dict[str, set[str]] = {name: {"wanted"} for name in names}
            for name in self.find_required_layers(names):
                for source in self.nodes[name].inputs:
                    readers.setdefault(source, set()).add(self.nodes[name].kind)
            self._pool_only_cache[names] = frozenset(
                name for name in self._convolutions if readers.get(name) == {"pool"}
            )
        return self._pool_only_cache[names]

    def _compute_node(
        self, node: Node, activations: Mapping[str, Tensor], pool_only: frozenset[str]
    ) -> Tensor:
        first = activations[node.inputs[0]]
        if node.kind == "conv":
            return self._convolutions[node.name](first, node.name in pool_only)
        if node.kind == "head":
            return self.convolve(node, first)
        if node.kind == "norm":
            return local_response_norm(first)
        if node.kind == "pool":
            masks = node.inputs[0] in pool_only
            return max_pool(first, node.kernel, node.stride, node.pad, masks)
        return pool_or_concat(node, activations)

    def convolve(self, node: Node, first: Tensor) -> Tensor:
        """Return what a convolution makes of its input, before the ReLU."""
        return self._convolutions[node.name].convolve(first)

    def get_weight_and_bias(self, node: Node) -> tuple[Tensor, Tensor]:
        """Return a convolution's weight (O, I, kH, kW), RGB in, and bias (O,)."""
        layer = self._convolutions[node.name]
        return layer.weight, layer.bias


def pool_or_concat(node: Node, activations: Mapping[str, Tensor]) -> Tensor:
    """Return the output of a node that has no weights, from what its inputs gave."""
    if node.kind == "pool":
        first = activations[node.inputs[0]]
        return F.max_pool2d(first, node.kernel, node.stride, node.pad, ceil_mode=True)
    return torch.cat([activations[name] for name in node.inputs], dim=1)


def describe_graph_layers(
    nodes: Sequence[Node], categories: Mapping[str, str] | None = None
) -> dict[str, Layer]:
    """Derive the facts of every layer from the graph.

    A layer's receptive field follows from its inputs': field + (kernel - 1) * their stride.
    """
    facts: dict[str, Layer] = {INPUT_NODE: Layer(INPUT_NODE, 3, 1, 1, 0, 1, "")}
    smallest = find_min_image_sides(nodes)
    for node in nodes:
        inputs = [facts[name] for name in node.inputs]
        first = inputs[0]
        weighted = node.kind in WEIGHTED_KINDS
        channels = node.channels if weighted else sum(layer.channels for layer in inputs)
        facts[node.name] = Layer(
            name=node.name,
            channels=channels,
            stride=first.stride * node.stride,
            receptive_field=max(
                (layer.receptive_field or 0) + (node.kernel - 1) * layer.stride for layer in inputs
            ),
            depth=max(layer.depth for layer in inputs) + weighted,
            smallest=smallest[node.name],
            category=(categories or {}).get(node.name, ""),
        )
    del facts[INPUT_NODE]
    return facts


def find_min_image_sides(nodes: Sequence[Node], limit: int = 1024) -> dict[str, int]:
    """Return for each layer the least picture side at which it has at least one position."""
    found: dict[str, int] = {}
    for side in range(1, limit):
        sides = {INPUT_NODE: side}
        for node in nodes:
            inside = min(sides[name] for name in node.inputs)
            sides[node.name] = node.output_side(inside) if inside > 0 else 0
            if sides[node.name] > 0:
                found.setdefault(node.name, side)
        if len(found) == len(nodes):
            break
    return found
