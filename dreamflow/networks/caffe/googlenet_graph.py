"""The graph of GoogLeNet exactly as in Caffe's bvlc_googlenet, every blob a node by its Caffe name.

Szegedy et al. 2014, "Going deeper with convolutions", and BVLC's deploy.prototxt: no batch
normalisation, two local response norms, true 5x5 convolutions, max pools that round up.
"""

from __future__ import annotations

from collections.abc import Callable

from dreamflow.networks.caffe.node import INPUT_NODE, Node

INCEPTION_CHANNELS: dict[str, tuple[int, int, int, int, int, int]] = {
    "inception_3a": (64, 96, 128, 16, 32, 32),
    "inception_3b": (128, 128, 192, 32, 96, 64),
    "inception_4a": (192, 96, 208, 16, 48, 64),
    "inception_4b": (160, 112, 224, 24, 64, 64),
    "inception_4c": (128, 128, 256, 24, 64, 64),
    "inception_4d": (112, 144, 288, 32, 64, 64),
    "inception_4e": (256, 160, 320, 32, 128, 128),
    "inception_5a": (256, 160, 320, 32, 128, 128),
    "inception_5b": (384, 192, 384, 48, 128, 128),
}
"""Channels of each module's 1x1, 3x3_reduce, 3x3, 5x5_reduce, 5x5 and pool_proj."""

WidthRule = Callable[[str, int], int]
"""Returns the channels of a convolution from its name and its channels in Caffe."""


def keep_full_width(name: str, channels: int) -> int:
    """Return Caffe's number of channels: the `WidthRule` of GoogLeNet itself."""
    return channels


def make_inception_nodes(name: str, source: str, width: WidthRule) -> list[Node]:
    """Return the nodes of an inception module.

    Args:
        name: Of the module.
        source: Name of the node that it reads.
        width: Channels of its convolutions.

    Returns:
        Its eight nodes: four branches, and their concatenation.
    """
    branches = ("1x1", "3x3_reduce", "3x3", "5x5_reduce", "5x5", "pool_proj")
    one, three_reduce, three, five_reduce, five, projection = (
        width(f"{name}/{branch}", channels)
        for branch, channels in zip(branches, INCEPTION_CHANNELS[name], strict=True)
    )
    return [
        Node(f"{name}/1x1", "conv", (source,), one),
        Node(f"{name}/3x3_reduce", "conv", (source,), three_reduce),
        Node(f"{name}/3x3", "conv", (f"{name}/3x3_reduce",), three, kernel=3, pad=1),
        Node(f"{name}/5x5_reduce", "conv", (source,), five_reduce),
        Node(f"{name}/5x5", "conv", (f"{name}/5x5_reduce",), five, kernel=5, pad=2),
        Node(f"{name}/pool", "pool", (source,), kernel=3, pad=1),
        Node(f"{name}/pool_proj", "conv", (f"{name}/pool",), projection),
        Node(
            f"{name}/output",
            "concat",
            tuple(f"{name}/{branch}" for branch in ("1x1", "3x3", "5x5", "pool_proj")),
        ),
    ]


def make_googlenet_nodes(width: WidthRule = keep_full_width) -> list[Node]:
    """Return GoogLeNet below its classifier: 81 nodes, shallow to deep.

    Args:
        width: Channels of its convolutions.
    """
    first, reduce, second = (
        width(name, channels)
        for name, channels in (("conv1/7x7_s2", 64), ("conv2/3x3_reduce", 64), ("conv2/3x3", 192))
    )
    graph = [
        Node("conv1/7x7_s2", "conv", (INPUT_NODE,), first, kernel=7, stride=2, pad=3),
        Node("pool1/3x3_s2", "pool", ("conv1/7x7_s2",), kernel=3, stride=2),
        Node("pool1/norm1", "norm", ("pool1/3x3_s2",)),
        Node("conv2/3x3_reduce", "conv", ("pool1/norm1",), reduce),
        Node("conv2/3x3", "conv", ("conv2/3x3_reduce",), second, kernel=3, pad=1),
        Node("conv2/norm2", "norm", ("conv2/3x3",)),
        Node("pool2/3x3_s2", "pool", ("conv2/norm2",), kernel=3, stride=2),
    ]
    pools_after = {"inception_3b": "pool3/3x3_s2", "inception_4e": "pool4/3x3_s2"}
    source = graph[-1].name
    for name in INCEPTION_CHANNELS:
        graph += make_inception_nodes(name, source, width)
        source = f"{name}/output"
        if name in pools_after:
            graph.append(Node(pools_after[name], "pool", (source,), kernel=3, stride=2))
            source = pools_after[name]
    return graph
