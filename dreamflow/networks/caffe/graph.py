"""A network as a graph of named layers, of which only those needed are computed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor

from dreamflow.core.errors import WeightsError
from dreamflow.core.targets import CLASS_LAYER
from dreamflow.networks.caffe.graph_pass import Step, release_when_read, run_pass
from dreamflow.networks.caffe.node import (
    HIDDEN_PREFIX,
    INPUT_NODE,
    WEIGHTED_KINDS,
    Node,
    find_min_image_sides,
)
from dreamflow.networks.caffe.operations import (
    Concatenation,
    Convolution,
    Operation,
    Pool,
    ResponseNorm,
    Siblings,
)
from dreamflow.networks.kernels.convolution import FrozenConvolution
from dreamflow.networks.kernels.max_pool import MaxPool
from dreamflow.networks.kernels.selection import KernelChoice
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
        self._channels = {INPUT_NODE: 3} | {name: layer.channels for name, layer in facts.items()}
        tensors = self._check_weights(weights)
        self._convolutions: dict[str, FrozenConvolution] = {
            node.name: FrozenConvolution(
                tensors[f"{node.name}.weight"],
                tensors[f"{node.name}.bias"],
                node.stride,
                node.pad,
                "plain" if node.kind == "head" else kernels,
                has_relu=node.kind == "conv",
            )
            for node in nodes
            if node.kind in WEIGHTED_KINDS
        }
        self._mean = torch.tensor(list(reversed(mean)), dtype=torch.float32).view(1, 3, 1, 1)
        self._required_cache: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._steps: dict[tuple[str, ...], tuple[Step, ...]] = {}
        self._stacked: dict[tuple[str, ...], Siblings] = {}

    def _check_weights(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the weights of all nodes in float32 over RGB input, or raise WeightsError."""
        tensors: dict[str, Tensor] = {}
        for node in self.nodes.values():
            if node.kind not in WEIGHTED_KINDS:
                continue
            shape = (node.channels, self._channels[node.inputs[0]], node.kernel, node.kernel)
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
        self._steps.clear()
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
        if names not in self._steps:
            self._steps[names] = release_when_read(self._plan_steps(names), names)
        return run_pass(self.preprocess(image), self._steps[names], names)

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

    def _plan_steps(self, names: tuple[str, ...]) -> list[Step]:
        """Return the steps to some layers, in order."""
        required = self.find_required_layers(names)
        pool_only = self._find_pool_only_convolutions(names, required)
        siblings = self._find_siblings(required)
        stacked = {name for group in siblings.values() for name in group}
        steps: list[Step] = []
        for name in required:
            node = self.nodes[name]
            if name in siblings:
                group = siblings[name]
                steps.append(Step(self._stack(group), node.inputs, group))
            elif name not in stacked:
                steps.append(Step(self._make_operation(node, pool_only), node.inputs, (name,)))
        return steps

    def _find_pool_only_convolutions(
        self, names: Sequence[str], required: Sequence[str]
    ) -> set[str]:
        """Return the convolutions that only pools read, for the wanted layers."""
        readers: dict[str, set[str]] = {name: {"output"} for name in names}
        for name in required:
            for source in self.nodes[name].inputs:
                readers.setdefault(source, set()).add(self.nodes[name].kind)
        return {name for name in self._convolutions if readers.get(name) == {"pool"}}

    def _find_siblings(self, required: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Return the 1x1 convolutions of one input, by the first of each two or more of them.

        In float32 there are none: a sum in another order is all that would change, and make another
        dream.
        """
        by_input: dict[str, list[str]] = {}
        for name in required if self.dtype == torch.bfloat16 else ():
            node = self.nodes[name]
            is_1x1 = (node.kind, node.kernel, node.stride, node.pad) == ("conv", 1, 1, 0)
            if is_1x1 and self._convolutions[name].uses_onednn:
                by_input.setdefault(node.inputs[0], []).append(name)
        return {group[0]: tuple(group) for group in by_input.values() if len(group) > 1}

    def _stack(self, group: tuple[str, ...]) -> Siblings:
        if group not in self._stacked:
            self._stacked[group] = Siblings([self._convolutions[name] for name in group])
        return self._stacked[group]

    def _make_operation(self, node: Node, pool_only: Collection[str]) -> Operation:
        if node.kind in WEIGHTED_KINDS:
            return Convolution(self._convolutions[node.name], node.name in pool_only)
        if node.kind == "norm":
            return ResponseNorm()
        if node.kind == "pool":
            pool = MaxPool(node.kernel, node.stride, node.pad, self.kernels)
            return Pool(pool, masks_relu=node.inputs[0] in pool_only)
        return Concatenation([self._channels[name] for name in node.inputs])

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
