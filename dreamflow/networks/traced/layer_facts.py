"""The facts of a graph's layers, found without running it.

They come from two passes of shapes alone (tensors on the "meta" device, which hold no values) at
two picture sizes: what grows with the picture is height and width, what does not is channels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from dreamflow.networks.network import Layer
from dreamflow.networks.traced.receptive_field import Window, find_windows

SHAPE_PROBE_SIDES_PX = (448, 672)
"""Picture sides of the two passes: multiples of 32 and 56, the strides and windows in use."""
MAX_REQUIRED_SIDE_PX = 1024
"""Largest `smallest` of a layer that can be dreamed on."""

WEIGHTED_MODULES = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
WEIGHTED_FUNCTIONS = (F.conv2d, F.conv_transpose2d, F.linear)
IDENTITY_MODULES = (nn.Identity, nn.Dropout, nn.Dropout2d, nn.AlphaDropout)
"""Modules that give back what they got: their layers would be listed twice."""
POINTWISE_MODULES = (
    *(
        *IDENTITY_MODULES,
        nn.BatchNorm2d,
        nn.LayerNorm,
        nn.LocalResponseNorm,
        nn.Linear,
        nn.ReLU,
        nn.ReLU6,
    ),
    *(nn.LeakyReLU, nn.PReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Hardswish, nn.Hardsigmoid, nn.Sigmoid),
    *(nn.Tanh, nn.Softplus),
)
POINTWISE_OPERATIONS = frozenset(
    (
        *("add", "sub", "mul", "truediv", "div", "cat", "concat", "relu", "relu6", "gelu", "silu"),
        *("hardswish", "sigmoid", "tanh", "dropout", "layer_norm", "batch_norm", "permute"),
        *("transpose", "contiguous", "chunk", "split", "getitem", "unsqueeze", "view", "reshape"),
        "stochastic_depth",
    )
)
"""Operations by name of which a position of the output sees that position of the input only."""


class _ShapeInterpreter(fx.Interpreter):
    """Runs a graph on shapes, as far as it goes: what fails, and what needs it, is left out."""

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
    """Return the shapes of a graph's nodes, as far as it goes, for a picture of that side.

    module: of the graph, on the meta device.
    """
    run = _ShapeInterpreter(module, graph)
    with torch.no_grad():
        run.run(torch.empty(1, 3, side, side, device="meta"))
    return run.shapes


@dataclass
class _NodeFacts:
    """What is known of a node. axes: which of its dimensions grow with the picture."""

    spatial_axes: tuple[int, ...]
    stride: float
    receptive_field: tuple[int, int] | None
    depth: int


def describe_traced_layers(
    module: nn.Module,
    graph: fx.Graph,
    names: dict[str, fx.Node],
    small_shapes: dict[fx.Node, tuple[int, ...]],
    large_shapes: dict[fx.Node, tuple[int, ...]],
) -> tuple[dict[str, Layer], frozenset[str]]:
    """Return the facts of the layers that can be dreamed on, and which of them are (1, h, w, C).

    module: of the graph, on the meta device. small, large: see `shapes_of`, at `SIDES`.
    """
    parts = dict(module.named_modules())
    facts: dict[fx.Node, _NodeFacts] = {}
    seen: dict[fx.Node, tuple[Window, Window] | None] = {}
    for node in graph.nodes:
        if (
            node in small_shapes
            and node in large_shapes
            and len(small_shapes[node]) == len(large_shapes[node])
        ):
            part = parts.get(node.target) if node.op == "call_module" else None
            seen[node] = find_windows(node, part, small_shapes)
            facts[node] = _derive_facts(
                node, part, seen[node], facts, small_shapes[node], large_shapes[node]
            )
    smallest = _find_min_node_sides(graph, facts, seen)
    layers: dict[str, Layer] = {}
    last: set[str] = set()
    for name, node in names.items():
        known, part = facts.get(node), parts.get(str(node.target))
        if known is None or node not in smallest or not known.depth or node.op == "placeholder":
            continue
        if (
            known.spatial_axes not in ((2, 3), (1, 2))
            or len(small_shapes[node]) != 4
            or _is_identity(node, part)
        ):
            continue
        if known.spatial_axes == (1, 2):
            last.add(name)
        layers[name] = Layer(
            name=name,
            channels=small_shapes[node][1 if known.spatial_axes == (2, 3) else 3],
            stride=round(known.stride),
            receptive_field=max(known.receptive_field) if known.receptive_field else None,
            depth=known.depth,
            smallest=smallest[node],
            category="",
        )
    return layers, frozenset(last)


def _is_identity(node: fx.Node, part: nn.Module | None) -> bool:
    return node.op == "call_module" and (
        isinstance(part, IDENTITY_MODULES) or type(part).__name__ == "StochasticDepth"
    )


def _derive_facts(
    node: fx.Node,
    part: nn.Module | None,
    window: tuple[Window, Window] | None,
    facts: dict[fx.Node, _NodeFacts],
    small_shape: tuple[int, ...],
    large_shape: tuple[int, ...],
) -> _NodeFacts:
    axes = tuple(
        axis for axis, (a, b) in enumerate(zip(small_shape, large_shape, strict=True)) if a != b
    )
    grown = large_shape[axes[0]] - small_shape[axes[0]] if axes else 0
    ratio = (SHAPE_PROBE_SIDES_PX[1] - SHAPE_PROBE_SIDES_PX[0]) / grown if grown else 0.0
    if node.op == "placeholder":
        return _NodeFacts(axes, ratio, (1, 1), 0)
    inputs = [facts[source] for source in node.all_input_nodes if source in facts]
    depth = max((known.depth for known in inputs), default=0)
    if isinstance(part, WEIGHTED_MODULES) or node.target in WEIGHTED_FUNCTIONS:
        depth += 1
    return _NodeFacts(
        axes, ratio, _derive_receptive_field(node, part, window, inputs, ratio), depth
    )


def _derive_receptive_field(
    node: fx.Node,
    part: nn.Module | None,
    window: tuple[Window, Window] | None,
    inputs: list[_NodeFacts],
    stride: float,
) -> tuple[int, int] | None:
    """Return the pixels that a position sees, down and across; None where nobody knows.

    An input that does not grow with the picture is a summary of all of it, or of none: of none
    where it saw nothing, as weights do.
    """
    fields = [known.receptive_field for known in inputs]
    if not fields:
        return (0, 0)
    kept = [field for field in fields if field is not None]
    if len(kept) < len(fields):
        return None
    down, across = max(field[0] for field in kept), max(field[1] for field in kept)
    if window is not None:
        jump = round(inputs[0].stride)
        return tuple(  # type: ignore[return-value]
            field + (axis.kernel - 1) * jump
            for field, axis in zip((down, across), window, strict=True)
        )
    named = str(getattr(node.target, "__name__", node.target))
    pointwise = isinstance(part, POINTWISE_MODULES) or named in POINTWISE_OPERATIONS
    pointwise = pointwise or type(part).__name__ in ("StochasticDepth", "Permute", "LayerNorm2d")
    same = all(known.stride == stride for known in inputs if known.receptive_field != (0, 0))
    return (down, across) if pointwise and same else None


def _find_min_node_sides(
    graph: fx.Graph,
    facts: dict[fx.Node, _NodeFacts],
    node_windows: dict[fx.Node, tuple[Window, Window] | None],
) -> dict[fx.Node, int]:
    """Return for each node the least picture side at which it has at least one position."""
    growing = [node for node in graph.nodes if node in facts and facts[node].spatial_axes]
    found: dict[fx.Node, int] = {}
    for side in range(1, MAX_REQUIRED_SIDE_PX + 1):
        sides: dict[fx.Node, tuple[int, int]] = {}
        for node in growing:
            sides[node] = _compute_output_sides(node, side, sides, facts, node_windows[node])
            if min(sides[node]) > 0:
                found.setdefault(node, side)
        if len(found) == len(growing):
            break
    return found


def _compute_output_sides(
    node: fx.Node,
    side: int,
    sides: dict[fx.Node, tuple[int, int]],
    facts: dict[fx.Node, _NodeFacts],
    window: tuple[Window, Window] | None,
) -> tuple[int, int]:
    inputs = [source for source in node.all_input_nodes if source in sides]
    if not inputs:
        return side, side
    down, across = (min(sides[source][axis] for source in inputs) for axis in (0, 1))
    if window is not None:
        return window[0].output_side(down), window[1].output_side(across)
    change = facts[node].stride / facts[inputs[0]].stride
    if change == 1:
        return down, across
    return math.ceil(down / change), math.ceil(across / change)
