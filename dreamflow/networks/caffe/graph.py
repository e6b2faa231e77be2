"""A network as a graph of named layers, of which only those needed are computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from dreamflow.core.errors import WeightsError
from dreamflow.core.targets import CLASS_LAYER
from dreamflow.networks.caffe.node import (
    HIDDEN_PREFIX,
    INPUT_NODE,
    WEIGHTED_KINDS,
    Node,
    find_min_image_sides,
)
from dreamflow.networks.kernels.convolution import FrozenConvolution, max_pool
from dreamflow.networks.kernels.response_norm import local_response_norm
from dreamflow.networks.kernels.selection import KernelChoice
from dreamflow.networks.kernels.siblings import SiblingConvolutions
from dreamflow.networks.network import Layer, Network


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
        kernels: KernelChoice = "auto",
    ) -> None:
        """Build the network from its graph.

        Args:
            name: As `load_network` knows it.
            nodes: Each behind the nodes that it reads.
            weights: `<layer>.weight` (O, I, kH, kW) over BGR input and `<layer>.bias` (O,) of each
                convolution.
            mean: Of the blue, green and red channels, 0 to 255.
            categories: Of the layers in the 2015 guide, by name.
            weights_hash: SHA-256 of the weights file.
            kernels: Which operators to run on.

        Raises:
            WeightsError: A tensor is missing, of a wrong shape, or not finite.
        """
        facts = describe_graph_layers(nodes, categories)
        visible = {name: layer for name, layer in facts.items() if name[0] != HIDDEN_PREFIX}
        class_layer = visible.pop(CLASS_LAYER, None)
        super().__init__(name, visible, weights_hash)
        self.class_layer = class_layer
        self.kernels: KernelChoice = kernels
        self.nodes = {node.name: node for node in nodes}
        channels = {INPUT_NODE: 3} | {name: layer.channels for name, layer in facts.items()}
        tensors = self._check_weights(weights, channels)
        self._convolutions: dict[str, FrozenConvolution] = {
            node.name: FrozenConvolution(
                tensors[f"{node.name}.weight"],
                tensors[f"{node.name}.bias"],
                node.stride,
                node.pad,
                kernels,
                has_relu=node.kind == "conv",
            )
            for node in nodes
            if node.kind in WEIGHTED_KINDS
        }
        self._mean = torch.tensor(list(reversed(mean)), dtype=torch.float32).view(1, 3, 1, 1)
        self._required_cache: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._releasable_cache: dict[tuple[str, ...], dict[str, list[str]]] = {}
        self._pool_only_cache: dict[tuple[str, ...], frozenset[str]] = {}
        self._siblings_cache: dict[tuple[str, ...], dict[str, tuple[str, ...]]] = {}
        self._stacked: dict[tuple[str, ...], SiblingConvolutions] = {}

    def _check_weights(
        self, weights: Mapping[str, Tensor], channels: Mapping[str, int]
    ) -> dict[str, Tensor]:
        """Return the weights of all nodes in float32 over RGB input, or raise WeightsError."""
        tensors: dict[str, Tensor] = {}
        for node in self.nodes.values():
            if node.kind not in WEIGHTED_KINDS:
                continue
            shape = (node.channels, channels[node.inputs[0]], node.kernel, node.kernel)
            for key, expected in ((f"{node.name}.weight", shape), (f"{node.name}.bias", shape[:1])):
                tensor = self._check_tensor(weights, key, expected)
                if node.inputs[0] == INPUT_NODE and key.endswith("weight"):
                    tensor = tensor.flip(1)  # images are RGB, Caffe's networks saw BGR
                tensors[key] = tensor
        return tensors

    def _check_tensor(
        self, weights: Mapping[str, Tensor], key: str, expected: tuple[int, ...]
    ) -> Tensor:
        if key not in weights:
            raise WeightsError(f"these weights do not fit {self.name}: {key} is missing")
        shape = tuple(weights[key].shape)
        if shape != expected:
            raise WeightsError(
                f"these weights do not fit {self.name}: {key} is {shape}, not {expected}"
            )
        tensor = weights[key].detach().float()
        if not bool(torch.isfinite(tensor).all()):
            raise WeightsError(f"these weights are damaged: {key} holds NaN or infinity")
        return tensor

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> GraphNetwork:
        """Move the network to a device, let it compute in a dtype from now on, and return it."""
        self.device, self.dtype = torch.device(device), dtype or self.dtype
        self._convolutions = {
            name: layer.to(self.device, self.dtype) for name, layer in self._convolutions.items()
        }
        self._mean = self._mean.to(self.device)
        self._stacked.clear()
        return self

    def compute(self, image: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
        """Return the activations of layers, after the ReLU.

        Args:
            image: (N, 3, H, W) float32, RGB in [0, 1].
            names: Of known layers that the image is large enough for.

        Returns:
            (N, C, h, w) by layer, in the network's dtype.
        """
        activations = {INPUT_NODE: self.preprocess(image)}
        pool_only = self.find_pool_only_convolutions(names)
        releasable = self.find_releasable_inputs(names)
        # In float32 a sum in another order is all that would change, and make another dream.
        siblings = self.find_siblings(names) if self.dtype == torch.bfloat16 else {}
        for name in self.find_required_layers(names):
            if name in siblings:
                activations |= self._compute_siblings(siblings[name], activations)
            elif name not in activations:
                activations[name] = self._compute_node(self.nodes[name], activations, pool_only)
            for source in releasable[name]:
                del activations[source]
        return {name: activations[name] for name in names}

    def preprocess(self, image: Tensor) -> Tensor:
        """Return an image (N, 3, H, W), RGB in [0, 1], as the first layer takes it."""
        centred = (image * 255 - self._mean).to(self.dtype)
        return centred.contiguous(memory_format=torch.channels_last)

    def find_required_layers(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return all layers that `names` need, themselves included, in the order of computing."""
        if names not in self._required_cache:
            required = set(names)
            for name in reversed(self.nodes):
                if name in required:
                    required.update(self.nodes[name].inputs)
            self._required_cache[names] = tuple(name for name in self.nodes if name in required)
        return self._required_cache[names]

    def find_releasable_inputs(self, names: tuple[str, ...]) -> dict[str, list[str]]:
        """Return for each required layer the layers that nothing needs once it is computed."""
        if names not in self._releasable_cache:
            required = self.find_required_layers(names)
            last_reader = {source: name for name in required for source in self.nodes[name].inputs}
            releasable: dict[str, list[str]] = {name: [] for name in required}
            for source in last_reader.keys() - set(names):
                releasable[last_reader[source]].append(source)
            self._releasable_cache[names] = releasable
        return self._releasable_cache[names]

    def find_pool_only_convolutions(self, names: tuple[str, ...]) -> frozenset[str]:
        """Return the convolutions that only pools read, for the wanted layers."""
        if names not in self._pool_only_cache:
            readers: dict[str, set[str]] = {name: {"output"} for name in names}
            for name in self.find_required_layers(names):
                for source in self.nodes[name].inputs:
                    readers.setdefault(source, set()).add(self.nodes[name].kind)
            self._pool_only_cache[names] = frozenset(
                name for name in self._convolutions if readers.get(name) == {"pool"}
            )
        return self._pool_only_cache[names]

    def find_siblings(self, names: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
        """Return the 1x1 convolutions of one input, by the first of each two or more of them.

        Only those that the wanted layers need; see `SiblingConvolutions`.
        """
        if names not in self._siblings_cache:
            by_input: dict[str, list[str]] = {}
            for name in self.find_required_layers(names):
                node = self.nodes[name]
                if (node.kind, node.kernel, node.stride, node.pad) == ("conv", 1, 1, 0):
                    by_input.setdefault(node.inputs[0], []).append(name)
            self._siblings_cache[names] = {
                group[0]: tuple(group) for group in by_input.values() if len(group) > 1
            }
        return self._siblings_cache[names]

    def _compute_siblings(
        self, group: tuple[str, ...], activations: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        if group not in self._stacked:
            self._stacked[group] = SiblingConvolutions([self._convolutions[n] for n in group])
        source = activations[self.nodes[group[0]].inputs[0]]
        return dict(zip(group, self._stacked[group](source), strict=True))

    def _compute_node(
        self, node: Node, activations: Mapping[str, Tensor], pool_only: frozenset[str]
    ) -> Tensor:
        source = activations[node.inputs[0]]
        if node.kind in ("conv", "linear"):
            return self._convolutions[node.name](source, node.name in pool_only)
        if node.kind == "head":
            return self.convolve(node, source)
        if node.kind == "norm":
            return local_response_norm(source)
        if node.kind == "pool":
            mask_relu_grad = node.inputs[0] in pool_only
            window = (node.kernel, node.stride, node.pad)
            return max_pool(source, *window, mask_relu_grad, self.kernels)
        return pool_or_concat(node, activations)

    def convolve(self, node: Node, x: Tensor) -> Tensor:
        """Return a node's convolution of x (N, I, H, W), before the ReLU."""
        return self._convolutions[node.name].convolve(x)

    def get_weight_and_bias(self, node: Node) -> tuple[Tensor, Tensor]:
        """Return a convolution's weight (O, I, k, k) over RGB input, and its bias (O,)."""
        layer = self._convolutions[node.name]
        return layer.weight, layer.bias

    def get_weights(self) -> dict[str, Tensor]:
        """Return `<layer>.weight` (O, I, k, k) over RGB input and `<layer>.bias` (O,) of all."""
        weights: dict[str, Tensor] = {}
        for name, layer in self._convolutions.items():
            weights |= {f"{name}.weight": layer.weight, f"{name}.bias": layer.bias}
        return weights


def pool_or_concat(node: Node, activations: Mapping[str, Tensor]) -> Tensor:
    """Return the output of a pool or concatenation, by public operators.

    Args:
        node: Of kind "pool" or "concat".
        activations: (N, C, h, w) of its inputs, by name.
    """
    if node.kind == "pool":
        source = activations[node.inputs[0]]
        return F.max_pool2d(source, node.kernel, node.stride, node.pad, ceil_mode=True)
    return torch.cat([activations[name] for name in node.inputs], dim=1)


def describe_graph_layers(
    nodes: Sequence[Node], categories: Mapping[str, str] | None = None
) -> dict[str, Layer]:
    """Derive the facts of every layer from the graph.

    A layer's receptive field is that of its input plus (kernel - 1) * the input's stride.

    Args:
        nodes: Each behind the nodes that it reads.
        categories: Of the layers in the 2015 guide, by name.

    Returns:
        The facts by layer, in the order of the nodes.
    """
    facts: dict[str, Layer] = {INPUT_NODE: Layer(INPUT_NODE, 3, 1, 1, 0, 1, "")}
    smallest = find_min_image_sides(nodes)
    for node in nodes:
        inputs = [facts[name] for name in node.inputs]
        weighted = node.kind in WEIGHTED_KINDS
        facts[node.name] = Layer(
            name=node.name,
            channels=node.channels if weighted else sum(layer.channels for layer in inputs),
            stride=inputs[0].stride * node.stride,
            receptive_field=max(
                (layer.receptive_field or 0) + (node.kernel - 1) * layer.stride for layer in inputs
            ),
            depth=max(layer.depth for layer in inputs) + weighted,
            smallest=smallest[node.name],
            category=(categories or {}).get(node.name, ""),
        )
    del facts[INPUT_NODE]
    return facts
