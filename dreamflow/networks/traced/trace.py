"""The graph of any PyTorch module, and its layers, found without running it on an image.

Layers have the names that torchvision's feature extraction gives them.
"""

from __future__ import annotations

import copy
import itertools
import math
import operator
import re
from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import Any, cast

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
    """A module's graph and its layers.

    Attributes:
        graph: All operations.
        nodes_by_name: Its nodes, by the names of their layers; `CLASS_LAYER` is the output's.
        layers: Facts of the layers that can be dreamed on, shallow to deep.
        channels_last_layers: Layers whose activations are (1, h, w, C).
        class_layer: Facts of the output where it is (1, classes), else None.
    """

    graph: fx.Graph
    nodes_by_name: dict[str, fx.Node]
    layers: dict[str, Layer]
    channels_last_layers: frozenset[str]
    class_layer: Layer | None


def frozen_copy(module: nn.Module, meta: bool = False) -> nn.Module:
    """Return a copy of a module in evaluation mode, no weight gradients, nothing in place.

    Args:
        module: Any; it stays as it is.
        meta: Whether the copy's tensors are on the meta device, for shapes alone, instead of being
            shared with the module.
    """
    shared: dict[int, Any] = {}
    for parameter in module.parameters():
        value = parameter.detach().to("meta") if meta else parameter.detach()
        shared[id(parameter)] = nn.Parameter(value, requires_grad=False)
    for buffer in module.buffers():
        shared[id(buffer)] = buffer.detach().to("meta") if meta else buffer.detach()
    copied = copy.deepcopy(module, shared).eval()
    for part in copied.modules():
        if getattr(part, "inplace", False):
            part.inplace = False  # type: ignore[assignment]
    return copied


def trace_module(name: str, module: nn.Module) -> TracedModule:
    """Trace a module, and describe its layers.

    Args:
        name: Of the network, for messages.
        module: As `frozen_copy` returns it.

    Raises:
        SettingsError: PyTorch cannot trace it, or no layer of it can be dreamed on.
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
    class_layer = None
    output = next(node for node in graph.nodes if node.op == "output").args[0]
    if isinstance(output, fx.Node) and all(_is_class_scores(known.get(output)) for known in shapes):
        names[CLASS_LAYER] = output
        smallest = max(layer.smallest for layer in layers.values())
        depth = max(layer.depth for layer in layers.values()) + 1
        class_layer = Layer(CLASS_LAYER, shapes[0][output][1], 0, None, depth, smallest, "")
    return TracedModule(graph, names, layers, channels_last, class_layer)


def _is_class_scores(shape: tuple[int, ...] | None) -> bool:
    return shape is not None and len(shape) == 2 and shape[0] == 1


def summarise_error(error: BaseException) -> str:
    """Return an error's type and the first line of its message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _make_tracer() -> Any:
    """Return a tracer that sees into torchvision's blocks, and names nodes as torchvision does."""
    import_torchvision()
    from torchvision import ops
    from torchvision.models.feature_extraction import NodePathTracer

    blocks = (ops.Conv2dNormActivation, ops.SqueezeExcitation, ops.MLP)

    class Tracer(NodePathTracer):
        def create_proxy(self, kind: str, target: Any, *more: Any, **named: Any) -> fx.Proxy:
            proxy = cast(fx.Proxy, super().create_proxy(kind, target, *more, **named))
            names = cast("dict[fx.Node, str]", self.node_to_qualname)
            node = proxy.node
            names.pop(node, None)
            names[node] = _make_unique_name(self._name(node), set(names.values()))
            return proxy

        def _name(self, node: fx.Node) -> str:
            # torchvision takes relu1_1 for the second call of relu1, even where it is a module.
            if node.op == "call_module":
                return str(node.target)
            operation = re.sub(r"_[0-9]+$", "", node.name)
            return ".".join(filter(None, (self.current_module_qualname, operation)))

        def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
            out = cast(Any, super().call_module(m, forward, args, kwargs))
            if isinstance(m, blocks) and isinstance(out, fx.Proxy):
                # torchvision takes a block for one node: here its last one gets its name.
                path = self.path_of_module(m)
                if path not in self.node_to_qualname.values():
                    self.node_to_qualname[out.node] = path
            return out

        def is_leaf_module(self, m: nn.Module, module_qualname: str) -> bool:
            # Subclasses stay whole, too: those that pad by the image's size, as TensorFlow does, or
            # that standardise their weights.
            is_layer = isinstance(m, (*WINDOWED_MODULES, nn.BatchNorm2d))
            return is_layer or super().is_leaf_module(m, module_qualname)

    leaves = [ops.StochasticDepth, ops.Permute, ops.FrozenBatchNorm2d]
    return Tracer(leaf_modules=leaves, autowrap_modules=(math, ops))


def _make_unique_name(name: str, used_names: Container[str]) -> str:
    """Return a name, with the first free of _1, _2 ... appended where it is in use."""
    numbered = (f"{name}_{number}" for number in itertools.count(1))
    return next(free for free in itertools.chain([name], numbered) if free not in used_names)


def _remove_inplace_operations(graph: fx.Graph) -> None:
    """Replace the operations of a graph that change their inputs by those that do not."""
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


def find_ancestors(nodes: Iterable[fx.Node]) -> set[fx.Node]:
    """Return nodes and all that they need."""
    needed: set[fx.Node] = set()
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        if node not in needed:
            needed.add(node)
            waiting += node.all_input_nodes
    return needed
