"""The part of a traced graph that some layers need, its normalisations and ReLUs fused.

Batch normalisation is folded into the convolution before it, and a ReLU is computed together with
the convolution before it, unless what lies between is wanted itself.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from dreamflow.networks.kernels.convolution import FrozenConvolution
from dreamflow.networks.traced.trace import find_ancestors

FOLD_PROBE_SIDE_PX = 32
"""Side of the noise on which a folded convolution is compared with the operations it replaces."""
FOLD_TOLERANCE = 1e-3
"""Largest difference at which they count as the same, as a share of the largest value."""


def extract_subgraph(
    module: nn.Module, graph: fx.Graph, outputs: dict[str, fx.Node], fold: bool = True
) -> fx.GraphModule:
    """Return the graph of some nodes, and nothing that they do not need.

    Args:
        module: Of the graph; weights that are not folded are shared with it.
        graph: Traced from it.
        outputs: The nodes, by name.
        fold: Whether normalisations and ReLUs are fused.

    Returns:
        A module that maps an image to the nodes' outputs, by name.
    """
    extractor = _SubgraphExtractor(module, set(outputs.values()), fold)
    for node in graph.nodes:
        extractor.copy_node(node)
    return extractor.build_graph_module(outputs)


def cast_graph(graph: fx.GraphModule, dtype: torch.dtype) -> fx.GraphModule:
    """Return a graph that computes in a dtype: itself in float32, else a copy with own weights."""
    if dtype == torch.float32:
        return graph
    cast = copy.deepcopy(graph).to(dtype)
    for part in cast.modules():
        if isinstance(part, _FusedConvolutionReLU):
            frozen = part.frozen_convolution
            part.frozen_convolution = frozen.to(frozen.weight.device, dtype)
    return cast


def get_node_attribute(module: nn.Module, node: fx.Node) -> Any:
    """Return the value that a node of kind `get_attr` reads from a module or its parts."""
    owner, _, name = str(node.target).rpartition(".")
    return getattr(module.get_submodule(owner), name)


class _SubgraphExtractor:
    """Builds a graph node by node from a larger one."""

    def __init__(self, module: nn.Module, output_nodes: set[fx.Node], fold: bool) -> None:
        self.module, self.output_nodes, self.fold = module, output_nodes, fold
        self.required_nodes = find_ancestors(output_nodes)
        self.graph = fx.Graph()
        self.copies: dict[fx.Node, fx.Node] = {}
        self.parts: dict[str, Any] = {}
        self.convolutions: dict[fx.Node, nn.Conv2d] = {}

    def copy_node(self, node: fx.Node) -> None:
        """Copy a node where it is required, or fuse it into the one before it."""
        if node.op == "output" or (node.op != "placeholder" and node not in self.required_nodes):
            return
        if self.fold and self._fuse_into_previous(node):
            return
        self.copies[node] = self.graph.node_copy(node, lambda source: self.copies[source])
        if node.op == "call_module":
            part = self.module.get_submodule(str(node.target))
            self.parts[str(node.target)] = part
            if isinstance(part, nn.Conv2d):
                self.convolutions[node] = part
        elif node.op == "get_attr":
            self.parts[str(node.target)] = get_node_attribute(self.module, node)

    def _fuse_into_previous(self, node: fx.Node) -> bool:
        """Fuse a normalisation or ReLU into the convolution before it; return whether it was."""
        source = node.all_input_nodes[0] if len(node.all_input_nodes) == 1 else None
        if source is None or source not in self.convolutions or source in self.output_nodes:
            return False
        if len([reader for reader in source.users if reader in self.required_nodes]) > 1:
            return False
        before, convolution = self.copies[source], self.convolutions[source]
        part = self.module.get_submodule(str(node.target)) if node.op == "call_module" else None
        is_relu = type(part) is nn.ReLU or node.target in (F.relu, torch.relu, "relu")
        if type(part) is nn.BatchNorm2d and part.track_running_stats:
            folded = _fold_batch_norm(convolution, part)
            if folded is None:
                return False
            self._replace_module(before, folded)
            self.convolutions[node] = folded
        elif is_relu and _fits_frozen_convolution(convolution):
            self._replace_module(before, _FusedConvolutionReLU(convolution))
        else:
            return False
        self.copies[node] = before
        return True

    def _replace_module(self, node: fx.Node, part: nn.Module) -> None:
        name = f"folded_{len(self.parts)}"
        self.parts[name] = part
        node.target = name

    def build_graph_module(self, outputs: dict[str, fx.Node]) -> fx.GraphModule:
        """End the graph with the wanted nodes, by name."""
        self.graph.output({name: self.copies[node] for name, node in outputs.items()})
        used = {str(node.target) for node in self.graph.nodes}
        parts = {name: part for name, part in self.parts.items() if name in used}
        return fx.GraphModule(parts, self.graph).eval()


class _FusedConvolutionReLU(nn.Module):
    """A convolution and its ReLU, as `FrozenConvolution` computes them."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        bias = convolution.bias
        if bias is None:
            bias = convolution.weight.new_zeros(convolution.out_channels)
        stride, pad = int(convolution.stride[0]), int(convolution.padding[0])
        self.frozen_convolution = FrozenConvolution(
            convolution.weight.detach(), bias.detach(), stride, pad
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.frozen_convolution(x)


def _fold_batch_norm(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d | None:
    """Return a convolution that includes a normalisation, or None where the two differ.

    A subclass may use its weights in any way, so it is tried on noise, which needs values: not on
    the meta device.
    """
    folded = fuse_conv_bn_eval(convolution, norm).requires_grad_(False)
    if type(convolution) is nn.Conv2d:
        return folded
    if convolution.weight.is_meta:
        return None
    generator = torch.Generator().manual_seed(0)
    shape = (1, convolution.in_channels, FOLD_PROBE_SIDE_PX, FOLD_PROBE_SIDE_PX)
    probe = torch.randn(shape, generator=generator).to(convolution.weight.device)
    with torch.no_grad():
        expected, actual = norm(convolution(probe)), folded(probe)
    error = float((actual - expected).abs().max())
    return folded if error < FOLD_TOLERANCE * float(expected.abs().max()) else None


def _fits_frozen_convolution(convolution: nn.Conv2d) -> bool:
    """Return whether `FrozenConvolution` supports a convolution: square, not grouped or dilated."""
    is_square = all(
        len(set(pair)) == 1 and not isinstance(pair, str)
        for pair in (convolution.kernel_size, convolution.stride, convolution.padding)
    )
    is_plain = type(convolution) is nn.Conv2d and convolution.groups == 1
    is_plain = is_plain and set(convolution.dilation) == {1}
    return is_square and is_plain and convolution.padding_mode == "zeros"
