"""The graph of any PyTorch module, and the facts of its layers, found without running it.

Layers have the names that torchvision's feature extraction gives them. Their facts come from two
passes of shapes alone (tensors on the "meta" device, which hold no values) at two picture sizes:
what grows with the picture is height and width, what does not is channels.
"""

from __future__ import annotations

import copy
import itertools
import math
import operator
import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from dreamflow.errors import SettingsError
from dreamflow.networks.network import Layer
from dreamflow.networks.torchvision_import import import_torchvision
from dreamflow.target import CLASS

SIDES = (448, 672)
"""Picture sides of the two passes: multiples of 32 and 56, the strides and windows in use."""
LIMIT = 1024
"""Largest `smallest` of a layer that can be dreamed on."""

WINDOWED = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
POOLS = (F.max_pool2d, F.avg_pool2d, torch.max_pool2d)
POOL_ARGUMENTS = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode")
CONVOLUTION_ARGUMENTS = ("input", "weight", "bias", "stride", "padding", "dilation")
PADS = (nn.ZeroPad2d, nn.ConstantPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d)
DEEPER = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
DEEPER_FUNCTIONS = (F.conv2d, F.conv_transpose2d, F.linear)
IDLE = (nn.Identity, nn.Dropout, nn.Dropout2d, nn.AlphaDropout)
"""Modules that give back what they got: their layers would be listed twice."""
POINTWISE = (
    *(*IDLE, nn.BatchNorm2d, nn.LayerNorm, nn.LocalResponseNorm, nn.Linear, nn.ReLU, nn.ReLU6),
    *(nn.LeakyReLU, nn.PReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Hardswish, nn.Hardsigmoid, nn.Sigmoid),
    *(nn.Tanh, nn.Softplus),
)
POINTWISE_NAMES = frozenset(
    (
        *("add", "sub", "mul", "truediv", "div", "cat", "concat", "relu", "relu6", "gelu", "silu"),
        *("hardswish", "sigmoid", "tanh", "dropout", "layer_norm", "batch_norm", "permute"),
        *("transpose", "contiguous", "chunk", "split", "getitem", "unsqueeze", "view", "reshape"),
        "stochastic_depth",
    )
)
"""Operations by name of which a position of the output sees that position of the input only."""


@dataclass(frozen=True)
class Traced:
    """A module's graph. names: of its nodes. layers: facts of those that can be dreamed on.

    channels_last: the layers whose activations come as (1, h, w, C). classes: of the module's
    output, where that is (1, classes); it is the node of the name `CLASS`.
    """

    graph: fx.Graph
    names: dict[str, fx.Node]
    layers: dict[str, Layer]
    channels_last: frozenset[str]
    classes: Layer | None


def frozen_copy(module: nn.Module, meta: bool = False) -> nn.Module:
    """Return a module's copy for dreaming, with the same tensors and not copies of them.

    Weights get no gradient, nothing is done in place, and it is in evaluation mode. meta: on the
    meta device instead, for shapes alone.
    """
    shared: dict[int, Any] = {}
    for parameter in module.parameters():
        kept = parameter.detach().to("meta") if meta else parameter.detach()
        shared[id(parameter)] = nn.Parameter(kept, requires_grad=False)
    for buffer in module.buffers():
        shared[id(buffer)] = buffer.detach().to("meta") if meta else buffer.detach()
    copied = copy.deepcopy(module, shared).eval()
    for part in copied.modules():
        if getattr(part, "inplace", False):
            part.inplace = False  # type: ignore[assignment]
    return copied


def trace(name: str, module: nn.Module) -> Traced:
    """Return the graph of a module made by `frozen_copy`, and the facts of its layers.

    Raises SettingsError where PyTorch cannot trace it, or no layer of it can be dreamed on.
    """
    tracer = _tracer()
    try:
        graph = tracer.trace(module)
    except Exception as error:
        raise SettingsError(
            f"{name} cannot be traced into a graph of layers: {first_line(error)}"
        ) from error
    names = {text: node for node, text in tracer.node_to_qualname.items()}
    _never_in_place(graph)
    meta = frozen_copy(module, meta=True)
    shapes = [_shapes(meta, graph, side) for side in SIDES]
    layers, channels_last = _describe(meta, graph, names, *shapes)
    if not layers:
        raise SettingsError(f"{name} has no layer that grows with the picture: nothing to dream on")
    classes = None
    output = next(node for node in graph.nodes if node.op == "output").args[0]
    if isinstance(output, fx.Node) and all(
        len(found.get(output, ())) == 2 and found[output][0] == 1 for found in shapes
    ):
        names[CLASS] = output
        smallest = max(layer.smallest for layer in layers.values())
        deepest = max(layer.depth for layer in layers.values())
        classes = Layer(CLASS, shapes[0][output][1], 0, None, deepest + 1, smallest, "")
    return Traced(graph, names, layers, channels_last, classes)


def first_line(error: BaseException) -> str:
    """Return an error's kind and its first line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _tracer() -> Any:
    """Return a tracer that sees into torchvision's blocks, and names them as torchvision does."""
    import_torchvision()
    from torchvision import ops
    from torchvision.models.feature_extraction import NodePathTracer

    blocks = (ops.Conv2dNormActivation, ops.SqueezeExcitation, ops.MLP)

    class Tracer(NodePathTracer):
        def create_proxy(self, kind: str, target: Any, *more: Any, **named: Any) -> fx.Proxy:
            proxy = super().create_proxy(kind, target, *more, **named)
            node, taken = proxy.node, self.node_to_qualname
            taken.pop(node, None)
            taken[node] = _free_name(self._name(node), set(taken.values()))
            return proxy

        def _name(self, node: fx.Node) -> str:
            # To torchvision relu1_1 is the second call of relu1, even where a module is called so.
            if node.op == "call_module":
                return str(node.target)
            operation = re.sub(r"_[0-9]+$", "", node.name)
            return ".".join(filter(None, (self.current_module_qualname, operation)))

        def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
            out = super().call_module(m, forward, args, kwargs)
            if isinstance(m, blocks) and isinstance(out, fx.Proxy):
                # To torchvision a block is one node: its last one has the block's name.
                path = self.path_of_module(m)
                if path not in self.node_to_qualname.values():
                    self.node_to_qualname[out.node] = path
            return out

        def is_leaf_module(self, m: nn.Module, qualname: str) -> bool:
            # Convolutions that pad as TensorFlow does, whose padding comes of the picture's size,
            # or that standardise their weights: to dreams a convolution is a convolution.
            own = isinstance(m, (*WINDOWED, nn.BatchNorm2d))
            return own or super().is_leaf_module(m, qualname)

    leaves = [ops.StochasticDepth, ops.Permute, ops.FrozenBatchNorm2d]
    return Tracer(leaf_modules=leaves, autowrap_modules=(math, ops))


def _free_name(name: str, taken: Container[str]) -> str:
    """Return a name, with _1, _2 ... behind it where it is taken."""
    more = (f"{name}_{number}" for number in itertools.count(1))
    return next(free for free in itertools.chain([name], more) if free not in taken)


def _never_in_place(graph: fx.Graph) -> None:
    """Let every operation of a graph leave its inputs as they are."""
    inplace = {
        getattr(operator, f"i{name}"): getattr(operator, name)
        for name in ("add", "sub", "mul", "truediv")
    }
    for node in graph.nodes:
        if node.op == "call_function":
            node.target = inplace.get(node.target, node.target)
            if node.kwargs.get("inplace"):
                node.kwargs = {**node.kwargs, "inplace": False}
        elif node.op == "call_method" and node.target.endswith("_"):
            node.target = node.target.rstrip("_")


class _Shapes(fx.Interpreter):
    """Runs a graph on shapes, as far as it goes: what fails, and what needs it, is left out."""

    FAILED = object()

    def __init__(self, module: nn.Module, graph: fx.Graph) -> None:
        super().__init__(module, garbage_collect_values=False, graph=graph)
        self.found: dict[fx.Node, tuple[int, ...]] = {}

    def run_node(self, n: fx.Node) -> Any:
        if n.op == "output" or any(self.env.get(x) is self.FAILED for x in n.all_input_nodes):
            return self.FAILED
        try:
            out = super().run_node(n)
        except Exception:
            return self.FAILED
        if isinstance(out, Tensor):
            self.found[n] = tuple(out.shape)
        return out


def _shapes(module: nn.Module, graph: fx.Graph, side: int) -> dict[fx.Node, tuple[int, ...]]:
    run = _Shapes(module, graph)
    with torch.no_grad():
        run.run(torch.empty(1, 3, side, side, device="meta"))
    return run.found


@dataclass(frozen=True)
class Window:
    """What a convolution or pool takes in along one axis. pad: of both sides together."""

    kernel: int
    stride: int
    pad: int
    ceil: bool = False

    def output_side(self, side: int) -> int:
        """Return the positions that come out for `side` in; 0 where it does not fit."""
        reach = side + self.pad - self.kernel
        if side < 1:
            return 0
        out = (-(-reach // self.stride) if self.ceil else reach // self.stride) + 1
        if self.ceil and (out - 1) * self.stride >= side + self.pad // 2:
            out -= 1
        return max(0, out)


@dataclass(frozen=True)
class AskedWindow(Window):
    """That of a module which is asked what comes out: a pad, or a convolution of its own class."""

    module: nn.Module | None = None
    channels: int = 0
    axis: int = 0

    def output_side(self, side: int) -> int:
        """Return the positions that come out for `side` in; 0 where it does not fit."""
        sides = [SIDES[0], SIDES[0]]
        sides[self.axis] = side
        try:
            with torch.no_grad():
                out = self.module(torch.empty(1, self.channels, *sides, device="meta"))  # type: ignore[misc]
        except Exception:
            return 0
        return int(out.shape[2 + self.axis])


def windows(
    node: fx.Node, module: nn.Module | None, shapes: Mapping[fx.Node, tuple[int, ...]]
) -> tuple[Window, Window] | None:
    """Return what a node takes in, down and across; None where it is no convolution, pool or pad.

    module: of the node, on the meta device. shapes: of what comes out of the nodes.
    """
    function = node.target if node.op == "call_function" else None
    if function is F.pad:
        return _pads(node.args[1])
    given: dict[str, Any]
    if isinstance(module, PADS):
        given = {"kernel_size": 1}
    elif isinstance(module, WINDOWED):
        given = {key: getattr(module, key, None) for key in POOL_ARGUMENTS[1:]}
    elif function in POOLS:
        given = {**dict(zip(POOL_ARGUMENTS, node.args, strict=False)), **node.kwargs}
    elif function is F.conv2d:
        given = {**dict(zip(CONVOLUTION_ARGUMENTS, node.args, strict=False)), **node.kwargs}
        given["kernel_size"] = shapes[given["weight"]][2:]
    else:
        return None
    kernel = _pair(given["kernel_size"])
    stride = _pair(given.get("stride") or (1 if function is F.conv2d else kernel))
    dilation = _pair(given.get("dilation") or 1)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    padding = given.get("padding") or 0
    if isinstance(padding, str):
        pads = [r - 1 if padding == "same" else 0 for r in reach]
    else:
        pads = [2 * p for p in _pair(padding)]
    ceil = bool(given.get("ceil_mode"))
    facts = [(reach[axis], stride[axis], pads[axis], ceil) for axis in (0, 1)]
    if module is not None and type(module) not in WINDOWED:
        channels = shapes[node.all_input_nodes[0]][1]
        down, across = (AskedWindow(*facts[axis], module, channels, axis) for axis in (0, 1))
    else:
        down, across = (Window(*facts[axis]) for axis in (0, 1))
    return down, across


def _pads(padding: Any) -> tuple[Window, Window] | None:
    """Return the windows of a padding of left, right, top and bottom, or None for another kind."""
    if not isinstance(padding, (tuple, list)) or len(padding) != 4:
        return None
    if not all(isinstance(pad, int) for pad in padding):
        return None
    left, right, top, bottom = padding
    return Window(1, 1, top + bottom), Window(1, 1, left + right)


def _pair(value: Any) -> tuple[int, int]:
    pair = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    return (int(pair[0]), int(pair[-1]))


@dataclass
class _Facts:
    """What is known of a node. axes: which of its dimensions grow with the picture."""

    axes: tuple[int, ...]
    ratio: float
    field: tuple[int, int] | None
    depth: int


def _describe(
    module: nn.Module,
    graph: fx.Graph,
    names: dict[str, fx.Node],
    small: dict[fx.Node, tuple[int, ...]],
    large: dict[fx.Node, tuple[int, ...]],
) -> tuple[dict[str, Layer], frozenset[str]]:
    parts = dict(module.named_modules())
    facts: dict[fx.Node, _Facts] = {}
    seen: dict[fx.Node, tuple[Window, Window] | None] = {}
    for node in graph.nodes:
        if node in small and node in large and len(small[node]) == len(large[node]):
            part = parts.get(node.target) if node.op == "call_module" else None
            seen[node] = windows(node, part, small)
            facts[node] = _facts(node, part, seen[node], facts, small[node], large[node])
    smallest = _smallest_sides(graph, facts, seen)
    layers: dict[str, Layer] = {}
    last: set[str] = set()
    for name, node in names.items():
        known, part = facts.get(node), parts.get(str(node.target))
        if known is None or node not in smallest or not known.depth or node.op == "placeholder":
            continue
        if known.axes not in ((2, 3), (1, 2)) or len(small[node]) != 4 or _idle(node, part):
            continue
        if known.axes == (1, 2):
            last.add(name)
        layers[name] = Layer(
            name=name,
            channels=small[node][1 if known.axes == (2, 3) else 3],
            stride=round(known.ratio),
            receptive_field=max(known.field) if known.field else None,
            depth=known.depth,
            smallest=smallest[node],
            category="",
        )
    return layers, frozenset(last)


def _idle(node: fx.Node, part: nn.Module | None) -> bool:
    return node.op == "call_module" and (
        isinstance(part, IDLE) or type(part).__name__ == "StochasticDepth"
    )


def _facts(
    node: fx.Node,
    part: nn.Module | None,
    window: tuple[Window, Window] | None,
    facts: dict[fx.Node, _Facts],
    small: tuple[int, ...],
    large: tuple[int, ...],
) -> _Facts:
    axes = tuple(axis for axis, (a, b) in enumerate(zip(small, large, strict=True)) if a != b)
    grown = large[axes[0]] - small[axes[0]] if axes else 0
    ratio = (SIDES[1] - SIDES[0]) / grown if grown else 0.0
    if node.op == "placeholder":
        return _Facts(axes, ratio, (1, 1), 0)
    inputs = [facts[source] for source in node.all_input_nodes if source in facts]
    depth = max((known.depth for known in inputs), default=0)
    if isinstance(part, DEEPER) or node.target in DEEPER_FUNCTIONS:
        depth += 1
    return _Facts(axes, ratio, _field(node, part, window, inputs, ratio), depth)


def _field(
    node: fx.Node,
    part: nn.Module | None,
    window: tuple[Window, Window] | None,
    inputs: list[_Facts],
    ratio: float,
) -> tuple[int, int] | None:
    """Return the pixels that a position sees, down and across; None where nobody knows.

    An input that does not grow with the picture is a summary of all of it, or of none: of none
    where it saw nothing, as weights do.
    """
    fields = [known.field for known in inputs]
    if not fields:
        return (0, 0)
    kept = [field for field in fields if field is not None]
    if len(kept) < len(fields):
        return None
    down, across = max(field[0] for field in kept), max(field[1] for field in kept)
    if window is not None:
        jump = round(inputs[0].ratio)
        return tuple(  # type: ignore[return-value]
            field + (axis.kernel - 1) * jump
            for field, axis in zip((down, across), window, strict=True)
        )
    named = str(getattr(node.target, "__name__", node.target))
    pointwise = isinstance(part, POINTWISE) or named in POINTWISE_NAMES
    pointwise = pointwise or type(part).__name__ in ("StochasticDepth", "Permute", "LayerNorm2d")
    same = all(known.ratio == ratio for known in inputs if known.field != (0, 0))
    return (down, across) if pointwise and same else None


def _smallest_sides(
    graph: fx.Graph,
    facts: dict[fx.Node, _Facts],
    seen: dict[fx.Node, tuple[Window, Window] | None],
) -> dict[fx.Node, int]:
    """Return for each node the least picture side at which it has at least one position."""
    growing = [node for node in graph.nodes if node in facts and facts[node].axes]
    found: dict[fx.Node, int] = {}
    for side in range(1, LIMIT + 1):
        sides: dict[fx.Node, tuple[int, int]] = {}
        for node in growing:
            sides[node] = _output_sides(node, side, sides, facts, seen[node])
            if min(sides[node]) > 0:
                found.setdefault(node, side)
        if len(found) == len(growing):
            break
    return found


def _output_sides(
    node: fx.Node,
    side: int,
    sides: dict[fx.Node, tuple[int, int]],
    facts: dict[fx.Node, _Facts],
    window: tuple[Window, Window] | None,
) -> tuple[int, int]:
    inputs = [source for source in node.all_input_nodes if source in sides]
    if not inputs:
        return side, side
    down, across = (min(sides[source][axis] for source in inputs) for axis in (0, 1))
    if window is not None:
        return window[0].output_side(down), window[1].output_side(across)
    change = facts[node].ratio / facts[inputs[0]].ratio
    if change == 1:
        return down, across
    return math.ceil(down / change), math.ceil(across / change)


def ancestors(nodes: Iterator[fx.Node] | list[fx.Node]) -> set[fx.Node]:
    """Return the nodes and all that they need."""
    needed: set[fx.Node] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if node not in needed:
            needed.add(node)
            waiting += node.all_input_nodes
    return needed
