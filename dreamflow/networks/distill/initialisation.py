"""A student's first weights: a network's, fitted to fewer channels and to low ranks.

The *model* is the teacher, or a trained pocket. Layer by layer, as in channel pruning (He, Zhang
and Sun 2017, "Channel Pruning for Accelerating Very Deep Neural Networks"): the trunk keeps those
channels of the model that explain most of all its channels; the trunk's weights are the
least-squares fit of its own inputs to the kept channels; and the readout is the least-squares fit
of the kept channels to all. A factor spans what explains most of the convolution's responses (Zhang
et al. 2016, "Accelerating Very Deep Convolutional Networks for Classification and Detection"). Half
a minute of this reaches what training from noise takes an hour for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dreamflow.networks.caffe.graph import GraphNetwork
from dreamflow.networks.caffe.node import HIDDEN_PREFIX, INPUT_NODE, WEIGHTED_KINDS, Node
from dreamflow.networks.caffe.pocket import FACTOR_SUFFIX, TRUNK_PREFIX
from dreamflow.networks.distill.least_squares import (
    extract_patches,
    factor_weight,
    fit_linear,
    select_channels,
)
from dreamflow.networks.distill.student import pool_or_concat
from dreamflow.networks.kernels.layout import flatten_positions
from dreamflow.networks.kernels.response_norm import local_response_norm

MAX_FIT_POSITIONS = 40_000
"""Positions of a layer that its weights are fitted to, at most."""
STEM_METRIC_EXPONENT = 0.25
"""Exponent of the pixels' second moments in the metric in which the first convolution is factored.
0.5 counts its responses on photographs, and loses fine patterns, which are rare in photographs but
not in dreams; 0 counts its weights, and loses the faint colours of large areas."""
RESPONSE_METRIC_EXPONENT = 0.5
"""The same for the other convolutions: their responses count."""


@torch.no_grad()
def fit_student_weights(
    teacher: GraphNetwork,
    nodes: Sequence[Node],
    images: Tensor,
    rng: np.random.Generator,
    begin_with: GraphNetwork | None = None,
) -> dict[str, Tensor]:
    """Return the first weights of a pocket.

    Args:
        teacher: That it learns from.
        nodes: The pocket's graph.
        images: (N, 3, H, W) float32, RGB in [0, 1], of the kinds that will be dreamed on.
        rng: Picks the positions that are fitted.
        begin_with: A trained pocket of the same depth at least: the model in place of the teacher,
            so that little of what it has learnt is lost.

    Returns:
        `<layer>.weight` (O, I, kH, kW) over RGB input and `<layer>.bias` (O,).
    """
    if begin_with is None:
        network, prefix = teacher, ""
        names = tuple(node.name for node in nodes if node.name in teacher.nodes)
    else:
        network, prefix = begin_with, TRUNK_PREFIX
        names = tuple(name for name in begin_with.nodes if name.startswith(TRUNK_PREFIX))
    pixels = {INPUT_NODE: network.preprocess(images)}
    fit = _Fit(_Model(network, prefix, pixels | network.compute(images, names)), nodes, rng)
    for node in nodes:
        fit.add(node)
    return fit.weights


Channel = tuple[str, int]
"""A channel of the model: its convolution, and its number there."""


class _Model(NamedTuple):
    """The network whose channels the trunk keeps.

    Attributes:
        network: The network.
        prefix: Of its names of the trunk's layers.
        activations: Its activations, and its preprocessed pixels, by its own names.
    """

    network: GraphNetwork
    prefix: str
    activations: Mapping[str, Tensor]

    def compute_responses(self, node: Node) -> Tensor:
        """Return the responses (n, C) of one of its convolutions, before the ReLU."""
        return flatten_positions(self.network.convolve(node, self.activations[node.inputs[0]]))

    def get_whole(self, node: Node) -> tuple[Tensor, Tensor, list[Channel]]:
        """Return a convolution together with its factor, where it has one.

        Returns:
            Its weight (O, I, k, k) over RGB input, its bias (O,), and the channels that it reads.
        """
        weight, bias = self.network.get_weight_and_bias(node)
        source = node.inputs[0]
        if source.endswith(FACTOR_SUFFIX):
            node = self.network.nodes[source]
            factor, offset = self.network.get_weight_and_bias(node)
            expansion = weight[:, :, 0, 0]
            weight = torch.einsum("or,rihw->oihw", expansion, factor)
            bias = bias + expansion @ offset
        return weight, bias, self.trace_channels(node.inputs[0])

    def trace_channels(self, name: str) -> list[Channel]:
        """Return where each channel of a layer comes from."""
        if name == INPUT_NODE:
            return [(INPUT_NODE, number) for number in range(3)]
        node = self.network.nodes[name]
        if node.kind in WEIGHTED_KINDS:
            return [(name, number) for number in range(node.channels)]
        return [channel for source in node.inputs for channel in self.trace_channels(source)]


class _Fit:
    """A student's weights, fitted from the first layer to the last."""

    def __init__(self, model: _Model, nodes: Sequence[Node], rng: np.random.Generator) -> None:
        """Begin a fit; `add` each of the nodes.

        Args:
            model: The network whose channels are kept.
            nodes: The student's graph.
            rng: Picks the positions that are fitted.
        """
        self.model, self.rng = model, rng
        self.nodes = {node.name: node for node in nodes}
        self.activations = {INPUT_NODE: model.activations[INPUT_NODE]}
        self.channels = {INPUT_NODE: model.trace_channels(INPUT_NODE)}
        self.expansions: dict[str, Tensor] = {}
        self.weights: dict[str, Tensor] = {}

    def add(self, node: Node) -> None:
        """Fit a node, and compute it where others read it."""
        if node.name[0] != HIDDEN_PREFIX:
            if node.kind == "conv":
                self._fit_readout(node)
        elif node.kind in WEIGHTED_KINDS:
            self._fit_convolution(node)
        else:
            source = self.activations[node.inputs[0]]
            if node.kind == "norm":
                maps, _ = local_response_norm(source)
            else:
                maps = pool_or_concat(node, self.activations)
            self.activations[node.name] = maps
            kept = [channel for name in node.inputs for channel in self.channels[name]]
            self.channels[node.name] = kept

    def _fit_readout(self, node: Node) -> None:
        """Fit a readout: to the model's own, or to the teacher's layer."""
        source = node.inputs[0]
        original = self.model.network.nodes[node.name]
        if self.model.prefix:
            target, prior = self.model.compute_responses(original), self._align([original], source)
        else:
            target, prior = flatten_positions(self.model.activations[node.name]), None
        positions = self._draw_positions(len(target))
        values = flatten_positions(self.activations[source])[positions]
        self._set(node, *fit_linear(values, target[positions], prior))

    def _fit_convolution(self, node: Node) -> None:
        """Fit one of the trunk's convolutions, or the factor of one."""
        whole = self.nodes[node.name.removesuffix(FACTOR_SUFFIX)]
        originals = self._list_originals(whole.name.removeprefix(TRUNK_PREFIX))
        responses = torch.cat([self.model.compute_responses(part) for part in originals], dim=1)
        kept = select_channels(F.relu(responses), whole.channels)
        positions = self._draw_positions(len(responses))
        target, source = responses[positions][:, kept], node.inputs[0]
        patches = extract_patches(self.activations[source], node, positions)
        if whole.name in self.expansions:
            weight, bias = fit_linear(patches, target, self.expansions[whole.name])
        elif source == INPUT_NODE:
            weight = self._align(originals, source)[kept]
            bias = torch.cat([self.model.get_whole(part)[1] for part in originals])[kept]
        else:
            weight, bias = fit_linear(patches, target, self._align(originals, source)[kept])
        if node.kind == "linear":
            exponent = STEM_METRIC_EXPONENT if source == INPUT_NODE else RESPONSE_METRIC_EXPONENT
            factors = factor_weight(weight, patches, target, node.channels, exponent)
            weight, self.expansions[whole.name] = factors
            bias = torch.zeros(node.channels, device=weight.device)
        self._set(node, weight, bias)
        maps = F.conv2d(
            self.activations[source],
            self.weights[f"{node.name}.weight"],
            bias,
            node.stride,
            node.pad,
        )
        self.activations[node.name] = F.relu_(maps) if node.kind == "conv" else maps
        numbered = [(part.name, n) for part in originals for n in range(part.channels)]
        self.channels[node.name] = [numbered[number] for number in kept]

    def _list_originals(self, name: str) -> list[Node]:
        """Return the model's convolutions that one of the trunk stands for.

        A 1x1 without a pool branch beside it stands for that as well, where the model has one.

        Args:
            name: In GoogLeNet.
        """
        names = [name]
        if name.endswith("/1x1"):
            projection = name.removesuffix("1x1") + "pool_proj"
            names += [projection] if TRUNK_PREFIX + projection not in self.nodes else []
        nodes = self.model.network.nodes
        return [nodes[key] for key in (self.model.prefix + name for name in names) if key in nodes]

    def _align(self, originals: Sequence[Node], source: str) -> Tensor:
        """Return the model's weights over the channels that a layer of the student has.

        Args:
            originals: Convolutions of the model.
            source: The student's layer that is read.

        Returns:
            (O, I k k); 0 over a channel that the original does not read.
        """
        parts: list[Tensor] = []
        for original in originals:
            weight, _, read = self.model.get_whole(original)
            numbers = {channel: number for number, channel in enumerate(read)}
            columns = [numbers.get(channel, len(read)) for channel in self.channels[source]]
            parts.append(F.pad(weight, (0, 0, 0, 0, 0, 1))[:, columns].flatten(1))
        return torch.cat(parts)

    def _draw_positions(self, count: int) -> np.ndarray:
        return np.sort(self.rng.permutation(count)[:MAX_FIT_POSITIONS])

    def _set(self, node: Node, weight: Tensor, bias: Tensor) -> None:
        shaped = weight.view(node.channels, -1, node.kernel, node.kernel)
        self.weights |= {f"{node.name}.weight": shaped, f"{node.name}.bias": bias}
