"""The facts of a traced graph's layers, found without running it on an image.

They come from two passes on shapes alone (tensors on the "meta" device, which hold no values) at
two image sizes: axes that grow with the image are height and width, and what one grows by tells the
stride. Receptive fields are summed from the kernels along the graph.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from dreamflow.networks.network import Layer
from dreamflow.networks.traced.receptive_field import (
    OutputSize,
    Size,
    find_kernel,
    make_output_size,
)

SHAPE_PROBE_SIDES_PX = (448, 672)
"""Image sides of the two passes: multiples of 32 and 56, the strides and windows in use."""
MAX_REQUIRED_SIDE_PX = 1024
"""Layers that need a larger image side cannot be dreamed on."""

WEIGHTED_MODULES = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
WEIGHTED_FUNCTIONS = (F.conv2d, F.conv_transpose2d, F.linear)
IDENTITY_MODULES = (nn.Identity, nn.Dropout, nn.Dropout2d, nn.AlphaDropout)
"""Modules that return their input: their layers would be listed twice."""
POINTWISE_MODULES = (
    *IDENTITY_MODULES,
    *(nn.BatchNorm2d, nn.LayerNorm, nn.LocalResponseNorm, nn.Linear, nn.ReLU, nn.ReLU6),
    *(nn.LeakyReLU, nn.PReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Hardswish, nn.Hardsigmoid, nn.Sigmoid),
    *(nn.Tanh, nn.Softplus),
)
"""Modules of which one position of the output sees one position of the input only."""
POINTWISE_MODULE_NAMES = ("StochasticDepth", "Permute", "LayerNorm2d")
"""torchvision's own such modules, by class name, since importing torchvision is slow."""
POINTWISE_OPERATIONS = frozenset(
    (
        *("add", "sub", "mul", "truediv", "div", "cat", "concat", "relu", "relu6", "gelu", "silu"),
        *("hardswish", "sigmoid", "tanh", "dropout", "layer_norm", "batch_norm", "permute"),
        *("transpose", "contiguous", "chunk", "split", "getitem", "unsqueeze", "view", "reshape"),
        "stochastic_depth",
    )
)
"""Operations, by name, of which one position of the output sees one position of the input only."""


class _ShapeInterpreter(fx.Interpreter):
    """Runs a graph on shapes; a node that fails, and every node that needs it, gets no shape."""

    FAILED = object()

    def __init__(self, module: nn.Module, graph: fx.Graph) -> None:
        super().__init__(module, garbage_collect_values=False, graph=graph)
        self.shapes: dict[fx.Node, tuple[int, ...]] = {}

    def run_node(self, n: fx.Node) -> Any:
        if n.op == "output" or any(self.env.get(x) is self.FAILED for x in n.all_input_nodes):
            return self.FAILED
        try:
            out = super().run_node(n)
        except Exception:
            return self.FAILED
        if isinstance(out, Tensor):
            self.shapes[n] = tuple(out.shape)
        return out


def infer_shapes(module: nn.Module, graph: fx.Graph, side: int) -> dict[fx.Node, tuple[int, ...]]:
    """Return the shapes of a graph's nodes for a square image.

    Args:
        module: Of the graph, on the meta device.
        graph: Traced from it.
        side: Of the image, in pixels.

    Returns:
        The output's shape by node, without nodes that cannot be run on an image of this size.
    """
    interpreter = _ShapeInterpreter(module, graph)
    with torch.no_grad():
        interpreter.run(torch.empty(1, 3, side, side, device="meta"))
    return interpreter.shapes


@dataclass(frozen=True)
class _NodeFacts:
    """Facts of a node.

    Attributes:
        spatial_axes: Axes of its output that grow with the image.
        stride: Image pixels per position; 0 where nothing grows.
        receptive_field: Image pixels that a position sees, down and across; None where unknown.
        depth: Convolutions on the longest path from the image.
        output_size: Of a node with a kernel; None for all others.
    """

    spatial_axes: tuple[int, ...]
    stride: float
    receptive_field: Size | None
    depth: int
    output_size: OutputSize | None


def describe_traced_layers(
    module: nn.Module,
    graph: fx.Graph,
    names: dict[str, fx.Node],
    small_shapes: dict[fx.Node, tuple[int, ...]],
    large_shapes: dict[fx.Node, tuple[int, ...]],
) -> tuple[dict[str, Layer], frozenset[str]]:
    """Return the facts of the layers that can be dreamed on.

    Args:
        module: Of the graph, on the meta device.
        graph: Traced from it.
        names: Its nodes, by the names of their layers.
        small_shapes: `infer_shapes` at the first of `SHAPE_PROBE_SIDES_PX`.
        large_shapes: `infer_shapes` at the second.

    Returns:
        The facts by layer, and the layers whose activations are channels-last, (1, h, w, C).
    """
    named = cast("Iterable[tuple[str, nn.Module]]", module.named_modules())
    modules = dict(named)
    facts = _derive_graph_facts(modules, graph, small_shapes, large_shapes)
    smallest = _find_min_node_sides(graph, facts)
    layers: dict[str, Layer] = {}
    channels_last: set[str] = set()
    for name, node in names.items():
        known, part = facts.get(node), modules.get(str(node.target))
        if known is None or node not in smallest or not known.depth or node.op == "placeholder":
            continue
        shape = small_shapes[node]
        is_map = len(shape) == 4 and known.spatial_axes in ((2, 3), (1, 2))
        if not is_map or _is_identity(node, part):
            continue
        if known.spatial_axes == (1, 2):
            channels_last.add(name)
        layers[name] = Layer(
            name=name,
            channels=shape[3 if name in channels_last else 1],
            stride=round(known.stride),
            receptive_field=max(known.receptive_field) if known.receptive_field else None,
            depth=known.depth,
            smallest=smallest[node],
            category="",
        )
    return layers, frozenset(channels_last)


def _is_identity(node: fx.Node, part: nn.Module | None) -> bool:
    return node.op == "call_module" and (
        isinstance(part, IDENTITY_MODULES) or type(part).__name__ == "StochasticDepth"
    )


def _derive_graph_facts(
    modules: dict[str, nn.Module],
    graph: fx.Graph,
    small_shapes: dict[fx.Node, tuple[int, ...]],
    large_shapes: dict[fx.Node, tuple[int, ...]],
) -> dict[fx.Node, _NodeFacts]:
    """Return the facts of the nodes that have shapes of as many axes at both image sizes."""
    facts: dict[fx.Node, _NodeFacts] = {}
    for node in graph.nodes:
        small, large = small_shapes.get(node), large_shapes.get(node)
        if small is None or large is None or len(small) != len(large):
            continue
        axes = tuple(n for n, (a, b) in enumerate(zip(small, large, strict=True)) if a != b)
        growth = large[axes[0]] - small[axes[0]] if axes else 0
        stride = (SHAPE_PROBE_SIDES_PX[1] - SHAPE_PROBE_SIDES_PX[0]) / growth if growth else 0.0
        if node.op == "placeholder":
            facts[node] = _NodeFacts(axes, stride, (1, 1), 0, None)
            continue
        part = modules.get(node.target) if node.op == "call_module" else None
        kernel = find_kernel(node, part, small_shapes)
        inputs = [facts[source] for source in node.all_input_nodes if source in facts]
        depth = max((known.depth for known in inputs), default=0)
        if isinstance(part, WEIGHTED_MODULES) or node.target in WEIGHTED_FUNCTIONS:
            depth += 1
        facts[node] = _NodeFacts(
            spatial_axes=axes,
            stride=stride,
            receptive_field=_derive_receptive_field(node, part, kernel, inputs, stride),
            depth=depth,
            output_size=make_output_size(node, part, small_shapes) if kernel else None,
        )
    return facts


def _derive_receptive_field(
    node: fx.Node,
    part: nn.Module | None,
    kernel: Size | None,
    inputs: list[_NodeFacts],
    stride: float,
) -> Size | None:
    """Return the image pixels that a position sees, down and across; None where unknown.

    A node with a kernel adds (kernel - 1) * its input's stride. (0, 0) is the field of a constant,
    such as a weight.
    """
    fields = [known.receptive_field for known in inputs]
    known_fields = [field for field in fields if field is not None]
    if not fields:
        return (0, 0)
    if len(known_fields) < len(fields):
        return None
    down = max(field[0] for field in known_fields)
    across = max(field[1] for field in known_fields)
    if kernel is not None:
        jump = round(inputs[0].stride)
        return down + (kernel[0] - 1) * jump, across + (kernel[1] - 1) * jump
    operation = str(getattr(node.target, "__name__", node.target))
    is_pointwise = (
        isinstance(part, POINTWISE_MODULES)
        or operation in POINTWISE_OPERATIONS
        or type(part).__name__ in POINTWISE_MODULE_NAMES
    )
    keeps_size = all(known.stride == stride for known in inputs if known.receptive_field != (0, 0))
    return (down, across) if is_pointwise and keeps_size else None


def _find_min_node_sides(graph: fx.Graph, facts: dict[fx.Node, _NodeFacts]) -> dict[fx.Node, int]:
    """Return for each node the least image side, in pixels, at which it has a position."""
    nodes = [node for node in graph.nodes if node in facts and facts[node].spatial_axes]
    smallest: dict[fx.Node, int] = {}
    for side in range(1, MAX_REQUIRED_SIDE_PX + 1):
        sizes: dict[fx.Node, Size] = {}
        for node in nodes:
            sizes[node] = _compute_output_size(node, side, sizes, facts)
            if min(sizes[node]) > 0:
                smallest.setdefault(node, side)
        if len(smallest) == len(nodes):
            break
    return smallest


def _compute_output_size(
    node: fx.Node, side: int, sizes: dict[fx.Node, Size], facts: dict[fx.Node, _NodeFacts]
) -> Size:
    """Return a node's height and width for an image of a side."""
    inputs = [source for source in node.all_input_nodes if source in sizes]
    if not inputs:
        return side, side
    down = min(sizes[source][0] for source in inputs)
    across = min(sizes[source][1] for source in inputs)
    output_size = facts[node].output_size
    if output_size is not None:
        return output_size((down, across)) if min(down, across) > 0 else (0, 0)
    change = facts[node].stride / facts[inputs[0]].stride
    if change == 1:
        return down, across
    return math.ceil(down / change), math.ceil(across / change)
