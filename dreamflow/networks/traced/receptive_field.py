"""What convolutions, pools and pads take in of a picture, along each axis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import fx, nn

WINDOW_PROBE_SIDE_PX = 448
"""Side, across the axis that is asked about, of what a module is asked with."""

WINDOWED_MODULES = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d)
POOL_FUNCTIONS = (F.max_pool2d, F.avg_pool2d, torch.max_pool2d)
POOL_ARGUMENTS = ("input", "kernel_size", "stride", "padding", "dilation", "ceil_mode")
CONVOLUTION_ARGUMENTS = ("input", "weight", "bias", "stride", "padding", "dilation")
PAD_MODULES = (nn.ZeroPad2d, nn.ConstantPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d)


@dataclass(frozen=True)
class Window:
    """What a convolution or pool takes in along one axis. pad: of both sides together."""

    kernel: int
    stride: int
    total_pad: int
    ceil_mode: bool = False

    def output_side(self, side: int) -> int:
        """Return the positions that come out for `side` in; 0 where it does not fit."""
        reach = side + self.total_pad - self.kernel
        if side < 1:
            return 0
        out = (-(-reach // self.stride) if self.ceil_mode else reach // self.stride) + 1
        if self.ceil_mode and (out - 1) * self.stride >= side + self.total_pad // 2:
            out -= 1
        return max(0, out)


@dataclass(frozen=True)
class ProbedWindow(Window):
    """That of a module which is asked what comes out: a pad, or a convolution of its own class."""

    module: nn.Module | None = None
    channels: int = 0
    axis: int = 0

    def output_side(self, side: int) -> int:
        """Return the positions that come out for `side` in; 0 where it does not fit."""
        sides = [WINDOW_PROBE_SIDE_PX, WINDOW_PROBE_SIDE_PX]
        sides[self.axis] = side
        try:
            with torch.no_grad():
                out = self.module(torch.empty(1, self.channels, *sides, device="meta"))  # type: ignore[misc]
        except Exception:
            return 0
        return int(out.shape[2 + self.axis])


def find_windows(
    node: fx.Node, module: nn.Module | None, shapes: Mapping[fx.Node, tuple[int, ...]]
) -> tuple[Window, Window] | None:
    """Return what a node takes in, down and across; None where it is no convolution, pool or pad.

    module: of the node, on the meta device. shapes: of what comes out of the nodes.
    """
    function = node.target if node.op == "call_function" else None
    if function is F.pad:
        return _pad_windows(node.args[1])
    given: dict[str, Any]
    if isinstance(module, PAD_MODULES):
        given = {"kernel_size": 1}
    elif isinstance(module, WINDOWED_MODULES):
        given = {key: getattr(module, key, None) for key in POOL_ARGUMENTS[1:]}
    elif function in POOL_FUNCTIONS:
        given = {**dict(zip(POOL_ARGUMENTS, node.args, strict=False)), **node.kwargs}
    elif function is F.conv2d:
        given = {**dict(zip(CONVOLUTION_ARGUMENTS, node.args, strict=False)), **node.kwargs}
        given["kernel_size"] = shapes[given["weight"]][2:]
    else:
        return None
    kernel = _to_pair(given["kernel_size"])
    stride = _to_pair(given.get("stride") or (1 if function is F.conv2d else kernel))
    dilation = _to_pair(given.get("dilation") or 1)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    padding = given.get("padding") or 0
    if isinstance(padding, str):
        pads = [r - 1 if padding == "same" else 0 for r in reach]
    else:
        pads = [2 * p for p in _to_pair(padding)]
    ceil = bool(given.get("ceil_mode"))
    facts = [(reach[axis], stride[axis], pads[axis], ceil) for axis in (0, 1)]
    if module is not None and type(module) not in WINDOWED_MODULES:
        channels = shapes[node.all_input_nodes[0]][1]
        down, across = (ProbedWindow(*facts[axis], module, channels, axis) for axis in (0, 1))
    else:
        down, across = (Window(*facts[axis]) for axis in (0, 1))
    return down, across


def _pad_windows(padding: Any) -> tuple[Window, Window] | None:
    """Return the windows of a padding of left, right, top and bottom, or None for another kind."""
    if not isinstance(padding, (tuple, list)) or len(padding) != 4:
        return None
    if not all(isinstance(pad, int) for pad in padding):
        return None
    left, right, top, bottom = padding
    return Window(1, 1, top + bottom), Window(1, 1, left + right)


def _to_pair(value: Any) -> tuple[int, int]:
    pair = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    return (int(pair[0]), int(pair[-1]))
