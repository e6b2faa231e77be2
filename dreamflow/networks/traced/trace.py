"""The graph of any PyTorch module, and the layers in it, found without running it.

Layers have the names that torchvision's feature extraction gives them.
"""

from __future__ import annotations

import copy
import itertools
import math
import operator
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Any

from torch import fx, nn

from dreamflow.core.errors import SettingsError
from dreamflow.core.targets import CLASS_LAYER
from dreamflow.networks.network import Layer
from dreamflow.networks.traced.layer_facts import (
    SHAPE_PROBE_SIDES_PX,
    describe_traced_layers,
    infer_shapes,
)
from dreamflow.networks.traced.receptive_field import WINDOWED_MODULES
from dreamflow.networks.traced.torchvision_import import import_torchvision


@dataclass(frozen=True)
class TracedModule:
    """A module's graph. names: of its nodes. layers: facts of those that can be dreamed on.

    channels_last: the layers whose activations come as (1, h, w, C). classes: of the module's
    output, where that is (1, classes); it is the node of the name `CLASS`.
    """

    graph: fx.Graph
    nodes_by_name: dict[str, fx.Node]
    layers: dict[str, Layer]
    channels_last_layers: frozenset[str]
    class_layer: Layer | None


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


def trace_module(name: str, module: nn.Module) -> TracedModule:
    """Return the graph of a module made by `frozen_copy`, and the facts of its layers.

    Raises SettingsError where PyTorch cannot trace it, or no layer of it can be dreamed on.
    """
    tracer = _make_tracer()
    try:
        graph = tracer.trace(module)
    except Exception as error:
        raise SettingsError(
            f"{name} cannot be traced into a graph of layers: {summarise_error(error)}"
        ) from error
    names = {text: node for node, text in tracer.node_to_qualname.items()}
    _remove_inplace_operations(graph)
    meta = frozen_copy(module, meta=True)
    shapes = [infer_shapes(meta, graph, side) for side in SHAPE_PROBE_SIDES_PX]
    layers, channels_last = describe_traced_layers(meta, graph, names, *shapes)
    if not layers:
        raise SettingsError(f"{name} has no layer that grows with the picture: nothing to dream on")
    classes = None
    output = next(node for node in graph.nodes if node.op == "output").args[0]
    if isinstance(output, fx.Node) and all(
        len(found.get(output, ())) == 2 and found[output][0] == 1 for found in shapes
    ):
        names[CLASS_LAYER] = output
        smallest = max(layer.smallest for layer in layers.values())
        deepest = max(layer.depth for layer in layers.values())
        classes = Layer(CLASS_LAYER, shapes[0][output][1], 0, None, deepest + 1, smallest, "")
    return TracedModule(graph, names, layers, channels_last, classes)


def summarise_error(error: BaseException) -> str:
    """Return an error's kind and its first line."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _make_tracer() -> Any:
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
            taken[node] = _make_unique_name(self._name(node), set(taken.values()))
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
            own = isinstance(m, (*WINDOWED_MODULES, nn.BatchNorm2d))
            return own or super().is_leaf_module(m, qualname)

    leaves = [ops.StochasticDepth, ops.Permute, ops.FrozenBatchNorm2d]
    return Tracer(leaf_modules=leaves, autowrap_modules=(math, ops))


def _make_unique_name(name: str, used_names: Container[str]) -> str:
    """Return a name, with _1, _2 ... behind it where it is taken."""
    more = (f"{name}_{number}" for number in itertools.count(1))
    return next(free for free in itertools.chain([name], more) if free not in used_names)


def _remove_inplace_operations(graph: fx.Graph) -> None:
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


def find_ancestors(nodes: Iterator[fx.Node] | list[fx.Node]) -> set[fx.Node]:
    """Return the nodes and all that they need."""
    needed: set[fx.Node] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if node not in needed:
            needed.add(node)
            waiting += node.all_input_nodes
    return needed
