"""What a node that resamples its input sees: the kernel of a convolution, pool or pad.

Kernels are read from the node, since shapes alone cannot tell a larger kernel from less padding.
Everything else (padding, rounding, the stride) is PyTorch's own: the node is run on shapes.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

WINDOWED_MODULES = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
POOL_FUNCTIONS = (F.max_pool2d, F.avg_pool2d, torch.max_pool2d)
POOL_ARGUMENTS = ("input", "kernel_size", "stride", "padding", "dilation")
"""Of `POOL_FUNCTIONS`, in order."""
CONVOLUTION_ARGUMENTS = ("input", "weight", "bias", "stride", "padding", "dilation")
"""Of `conv2d`, in order."""
PAD_MODULES = (nn.ZeroPad2d, nn.ConstantPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d)

Size = tuple[int, int]
"""Height and width, in positions."""


class OutputSize(Protocol):
    """Returns the size that comes out of a node for the size of its input; (0, 0) where none."""

    def __call__(self, size: Size) -> Size:
        """Return the output's size."""
        ...


def find_kernel(
    node: fx.Node, module: nn.Module | None, shapes: Mapping[fx.Node, tuple[int, ...]]
) -> Size | None:
    """Return how many positions of its input one position of a node's output spans.

    Args:
        node: Of a graph.
        module: That the node calls, if it calls one.
        shapes: Of the outputs of the graph's nodes.

    Returns:
        (kernel - 1) * dilation + 1, down and across; None where the node is not a convolution, a
        pool or a pad of known size.
    """
    function = node.target if node.op == "call_function" else None
    if function is F.pad:
        padding = _as_tuple(node.args[1])
        is_known = len(padding) == 4 and all(isinstance(side, int) for side in padding)
        return (1, 1) if is_known else None
    arguments: dict[str, Any]
    if isinstance(module, PAD_MODULES):
        return (1, 1)
    if isinstance(module, WINDOWED_MODULES):
        kernel, dilation = module.kernel_size, getattr(module, "dilation", 1)
    elif function in POOL_FUNCTIONS:
        arguments = {**dict(zip(POOL_ARGUMENTS, node.args, strict=False)), **node.kwargs}
        kernel, dilation = arguments["kernel_size"], arguments.get("dilation", 1)
    elif function is F.conv2d:
        arguments = {**dict(zip(CONVOLUTION_ARGUMENTS, node.args, strict=False)), **node.kwargs}
        kernel, dilation = shapes[arguments["weight"]][2:], arguments.get("dilation", 1)
    else:
        return None
    sides = zip(_to_pair(kernel), _to_pair(dilation), strict=True)
    down, across = ((k - 1) * d + 1 for k, d in sides)
    return down, across


def make_output_size(
    node: fx.Node, module: nn.Module | None, shapes: Mapping[fx.Node, tuple[int, ...]]
) -> OutputSize:
    """Return a function that runs a node on shapes alone, for inputs of any size.

    Args:
        node: One that has a kernel (`find_kernel`).
        module: That it calls, if it calls one, on the meta device.
        shapes: Of the outputs of the graph's nodes.
    """
    sizes: dict[Size, Size] = {}
    source = node.all_input_nodes[0]
    run = module if module is not None else partial(_call_function, node, source, shapes)

    def output_size(size: Size) -> Size:
        if size not in sizes:
            sizes[size] = _probe(run, (*shapes[source][:2], *size))
        return sizes[size]

    return output_size


def _probe(run: Any, shape: tuple[int, ...]) -> Size:
    """Return the height and width that come out for an input of a shape."""
    try:
        with torch.no_grad():
            out: Tensor = run(torch.empty(shape, device="meta"))
    except Exception:  # operators refuse sizes that they cannot take with errors of many kinds
        return (0, 0)
    height, width = out.shape[2:]
    return int(height), int(width)


def _call_function(
    node: fx.Node, source: fx.Node, shapes: Mapping[fx.Node, tuple[int, ...]], x: Tensor
) -> Tensor:
    """Call a node's function on x in place of `source`, its other inputs of their known shapes."""

    def value(other: fx.Node) -> Tensor:
        return x if other is source else torch.empty(shapes[other], device="meta")

    assert callable(node.target)
    return node.target(*fx.map_arg(node.args, value), **fx.map_arg(node.kwargs, value))


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(cast("list[Any]", value)) if isinstance(value, (tuple, list)) else (value,)


def _to_pair(value: Any) -> tuple[int, int]:
    pair = _as_tuple(value)
    return int(pair[0]), int(pair[-1])
