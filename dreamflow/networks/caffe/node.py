"""One operation of a Caffe network, and what follows from its shape alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

INPUT_NODE = "data"
"""Name of the graph's input, as in Caffe."""
HIDDEN_PREFIX = "~"
"""Prefix of the names of layers that are computed but cannot be dreamed on."""
WEIGHTED_KINDS = ("conv", "linear", "head")
"""Kinds of nodes that have weights."""
MAX_IMAGE_SIDE_PX = 1024
"""Largest image side at which `find_min_image_sides` looks for a layer's first position."""


@dataclass(frozen=True)
class Node:
    """One operation of a network: its output is the layer of the same name.

    A "conv" is a convolution followed by a ReLU. No ReLU follows a "linear", which is the first
    factor of a convolution of low rank, and a "head", whose channels are classes. Pools are max
    pools with Caffe's `ceil_mode`.

    Attributes:
        name: Of the layer.
        kind: Of the operation.
        inputs: Names of the nodes that it reads.
        channels: Output channels of a convolution or head; the other kinds derive theirs from
            their inputs.
        kernel: Side of the window, in positions.
        stride: Of both axes, in positions.
        pad: Positions on each side of both axes.
    """

    name: str
    kind: Literal["conv", "linear", "pool", "norm", "concat", "head"]
    inputs: tuple[str, ...]
    channels: int = 0
    kernel: int = 1
    stride: int = 1
    pad: int = 0

    def output_side(self, side: int) -> int:
        """Return the output's height or width for an input's, in positions."""
        reach = side + 2 * self.pad - self.kernel
        if self.kind != "pool":
            return reach // self.stride + 1
        out = -(-reach // self.stride) + 1
        # As in Caffe, a last window that would start in the padding is dropped.
        return out - 1 if (out - 1) * self.stride >= side + self.pad else out


def find_min_image_sides(nodes: Sequence[Node]) -> dict[str, int]:
    """Return for each layer the least image side, in pixels, at which it has a position."""
    smallest: dict[str, int] = {}
    for side in range(1, MAX_IMAGE_SIDE_PX):
        sides = {INPUT_NODE: side}
        for node in nodes:
            input_side = min(sides[name] for name in node.inputs)
            sides[node.name] = node.output_side(input_side) if input_side > 0 else 0
            if sides[node.name] > 0:
                smallest.setdefault(node.name, side)
        if len(smallest) == len(nodes):
            break
    return smallest
