"""A student's first weights: the teacher's, fitted to fewer channels and to low ranks.

Layer by layer, as in channel pruning (He, Zhang and Sun 2017, "Channel Pruning for Accelerating
Very Deep Neural Networks"): the trunk keeps those channels of the teacher, or of the pocket that it
begins with, that explain most of all its channels; the trunk's weights are the least-squares fit of
its own inputs to the kept channels; and the readout is the least-squares fit of the kept channels
to all. A factor spans what explains most of the convolution's responses (Zhang et al. 2016,
"Accelerating Very Deep Convolutional Networks for Classification and Detection"). Half a minute of
this reaches what training from noise takes an hour for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dreamflow.networks.caffe.graph import GraphNetwork, pool_or_concat
from dreamflow.networks.caffe.node import HIDDEN_PREFIX, INPUT_NODE, Node
from dreamflow.networks.caffe.pocket import FACTOR_SUFFIX, TRUNK_PREFIX
from dreamflow.networks.kernels.layout import flatten_positions
from dreamflow.networks.kernels.response_norm import local_response_norm

MAX_FIT_POSITIONS = 40_000
"""Positions of a layer that its weights are fitted to, at most."""
RIDGE_SHARE = 1e-4
"""Ridge added to the diagonal of a fit's Gram matrix, as a share of the diagonal's mean."""
SELECTION_POWER_FLOOR_SHARE = 0.3
"""A channel counts in the selection by power / (power + this * the layer's mean power)."""
MIN_UNEXPLAINED_SHARE = 1e-6
"""A channel with a smaller share of its power left unexplained is not selected."""
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
        begin_with: A trained pocket of the same depth at least: the trunk keeps channels of its
            trunk instead of the teacher's, so that little of what it has learnt is lost.

    Returns:
        `<layer>.weight` (O, I, kH, kW) over RGB input and `<layer>.bias` (O,).
    """
    layers = tuple(node.name for node in nodes if node.name in teacher.nodes)
    theirs = teacher.activations(images, layers)
    pixels = {INPUT_NODE: teacher.preprocess(images)}
    if begin_with is None:
        model = _TrunkModel(teacher, "", pixels | theirs)
    else:
        trunk = tuple(name for name in begin_with.nodes if name.startswith(TRUNK_PREFIX))
        model = _TrunkModel(begin_with, TRUNK_PREFIX, pixels | begin_with.compute(images, trunk))
    ours = dict(pixels)
    weights: dict[str, Tensor] = {}
    trunk_nodes = {node.name: node for node in nodes if node.name.startswith(TRUNK_PREFIX)}
    for node in trunk_nodes.values():
        if node.kind == "norm":
            ours[node.name] = local_response_norm(ours[node.inputs[0]])
        elif node.kind in ("conv", "linear"):
            weights |= _fit_convolution(model, node, trunk_nodes, ours, rng)
        else:
            ours[node.name] = pool_or_concat(node, ours)
    for node in nodes:
        if node.kind == "conv" and node.name[0] != HIDDEN_PREFIX:
            weights |= _fit_readout(node, theirs[node.name], ours[node.inputs[0]], rng)
    return weights


class _TrunkModel(NamedTuple):
    """The network whose channels the trunk keeps.

    Attributes:
        network: The network.
        prefix: Of its names of the trunk's layers.
        activations: Its activations, by its own names.
    """

    network: GraphNetwork
    prefix: str
    activations: Mapping[str, Tensor]

    def get_responses(self, name: str) -> tuple[Tensor, Tensor]:
        """Return a convolution's responses before and after the ReLU, (n, C) each.

        Args:
            name: In GoogLeNet.
        """
        node = self.network.nodes[self.prefix + name]
        before = self.network.convolve(node, self.activations[node.inputs[0]])
        return flatten_positions(before), flatten_positions(self.activations[node.name])

    def get_stem_weight(self, name: str) -> tuple[Tensor, Tensor]:
        """Return the weight (O, I k k) over RGB pixels, and the bias, of a first convolution."""
        node = self.network.nodes[self.prefix + name]
        weight, bias = self.network.get_weight_and_bias(node)
        factor = self.network.nodes[node.inputs[0]] if node.inputs[0] != INPUT_NODE else None
        if factor is None:
            return weight.flatten(1), bias
        first, offset = self.network.get_weight_and_bias(factor)
        expansion = weight.flatten(1)
        return expansion @ first.flatten(1), bias + expansion @ offset


def _select_target(
    model: _TrunkModel, name: str, count: int, trunk_nodes: Mapping[str, Node]
) -> tuple[Tensor, list[int]]:
    """Return the responses (n, count) before the ReLU that a convolution is fitted to.

    A 1x1 without a pool branch beside it stands for that as well, where the model has one.

    Args:
        model: The network whose channels are kept.
        name: Of the convolution, in GoogLeNet.
        count: Of channels to keep.
        trunk_nodes: The student's trunk, by name.

    Returns:
        The responses, and the numbers of the channels.
    """
    before, after = model.get_responses(name)
    projection = name.removesuffix("1x1") + "pool_proj"
    is_alone = name.endswith("/1x1") and TRUNK_PREFIX + projection not in trunk_nodes
    if is_alone and model.prefix + projection in model.network.nodes:
        more_before, more_after = model.get_responses(projection)
        before = torch.cat([before, more_before], dim=1)
        after = torch.cat([after, more_after], dim=1)
    channels = select_teacher_channels(after, count)
    return before[:, channels], channels


def _fit_convolution(
    model: _TrunkModel,
    node: Node,
    trunk_nodes: Mapping[str, Node],
    ours: dict[str, Tensor],
    rng: np.random.Generator,
) -> dict[str, Tensor]:
    """Return the weights of one of the trunk's convolutions, or of a factor.

    Args:
        model: The network whose channels are kept.
        node: The convolution in the trunk.
        trunk_nodes: The student's trunk, by name.
        ours: The student's activations, by layer; this one's are added.
        rng: Picks the positions that are fitted.
    """
    whole = node.name.removesuffix(FACTOR_SUFFIX)
    name = whole.removeprefix(TRUNK_PREFIX)
    target, channels = _select_target(model, name, trunk_nodes[whole].channels, trunk_nodes)
    positions = np.sort(rng.permutation(len(target))[:MAX_FIT_POSITIONS])
    source, target = ours[node.inputs[0]], target[positions]
    if node.inputs[0] == INPUT_NODE:
        weight, bias = (part[channels] for part in model.get_stem_weight(name))
    else:
        weight, bias = fit_linear(extract_patches(source, node, positions), target)
    if node.kind == "linear":
        patches = extract_patches(source, node, positions)
        is_stem = node.inputs[0] == INPUT_NODE
        exponent = STEM_METRIC_EXPONENT if is_stem else RESPONSE_METRIC_EXPONENT
        weight = factor_weight(weight, patches, target, node.channels, exponent)
        bias = torch.zeros(node.channels, device=weight.device)
    weight = weight.view(node.channels, -1, node.kernel, node.kernel)
    activation = F.conv2d(source, weight, bias, node.stride, node.pad)
    ours[node.name] = F.relu_(activation) if node.kind == "conv" else activation
    return {f"{node.name}.weight": weight, f"{node.name}.bias": bias}


def _fit_readout(
    node: Node, theirs: Tensor, source: Tensor, rng: np.random.Generator
) -> dict[str, Tensor]:
    """Return the weights of a readout: the fit of the trunk's layer to the teacher's."""
    target = flatten_positions(theirs)
    positions = np.sort(rng.permutation(len(target))[:MAX_FIT_POSITIONS])
    weight, bias = fit_linear(flatten_positions(source)[positions], target[positions])
    return {f"{node.name}.weight": weight[:, :, None, None], f"{node.name}.bias": bias}


def factor_weight(
    weight: Tensor, patches: Tensor, responses: Tensor, rank: int, exponent: float
) -> Tensor:
    """Return the weight of the factor that keeps most of a linear map.

    It is the span of the leading singular vectors of W M^exponent, each row of W divided by the
    size of its response, with M the second moments of the input. The expansion is left to a fit.

    Args:
        weight: (O, D), the linear map W.
        patches: (n, D), what it sees.
        responses: (n, O), what it answers before the ReLU.
        rank: Rows of the factor, at most O.
        exponent: 0.5 counts errors by their size on the patches, 0 all directions alike.

    Returns:
        (rank, D); its responses have the mean power of the whole's.
    """
    centred = (patches - patches.mean(dim=0)).double()
    moments = centred.T @ centred / len(centred)
    values, vectors = torch.linalg.eigh(moments / moments.diagonal().mean())
    metric = vectors @ (values.clamp_min(0) ** exponent)[:, None].mul(vectors.T)
    power = F.relu(responses).square().mean(dim=0)
    scale = (power + SELECTION_POWER_FLOOR_SHARE * power.mean()).sqrt().clamp_min(1e-12)
    scaled = weight.double() / scale.double()[:, None]
    leading, _, _ = torch.linalg.svd(scaled @ metric, full_matrices=False)
    factor = leading[:, :rank].T @ scaled
    size = (factor @ moments * factor).sum(dim=1).clamp_min(1e-24).sqrt()
    return (factor * (responses.std(dim=0).mean() / size)[:, None]).float()


def select_teacher_channels(values: Tensor, count: int) -> list[int]:
    """Return the channels that explain most of all channels.

    Each next one is that whose addition explains most of what is still unexplained: pivoted
    Cholesky on the second moments, with the gain in place of the diagonal.

    Args:
        values: (n, C), a channel in each column.
        count: Of channels to select.

    Returns:
        The numbers of the columns, in rising order.
    """
    power = values.square().mean(dim=0)
    scaled = values * (power + SELECTION_POWER_FLOOR_SHARE * power.mean()).clamp_min(1e-20).rsqrt()
    unexplained = (scaled.T @ scaled / len(scaled)).double()
    before = unexplained.diagonal().clone()
    selected: list[int] = []
    for _ in range(count):
        own = unexplained.diagonal()
        gain = unexplained.square().sum(dim=0) / own.clamp_min(1e-12)
        gain[own < MIN_UNEXPLAINED_SHARE * before] = 0
        gain[selected] = -1
        best = int(gain.argmax())
        selected.append(best)
        pivot = unexplained[best, best].clamp_min(1e-12)
        unexplained = unexplained - torch.outer(unexplained[:, best], unexplained[best]) / pivot
    return sorted(selected)


def fit_linear(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Return weight (O, D) and bias (O,) of the least-squares fit of x (n, D) to y (n, O)."""
    mean_x, mean_y = x.mean(dim=0), y.mean(dim=0)
    centred = (x - mean_x).double()
    gram = centred.T @ centred
    ridge = RIDGE_SHARE * gram.diagonal().mean().clamp_min(1e-12)
    gram += ridge * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    weight = torch.linalg.solve(gram, centred.T @ (y - mean_y).double()).T.float()
    return weight, mean_y - weight @ mean_x


def extract_patches(x: Tensor, node: Node, positions: np.ndarray) -> Tensor:
    """Return what a convolution sees at some of its positions.

    Args:
        x: (N, I, H, W), the convolution's input.
        node: The convolution.
        positions: Rising indices into its (N h w) output positions.

    Returns:
        (len(positions), I kH kW).
    """
    height, width = (node.output_side(side) for side in x.shape[2:])
    per_image = height * width
    patches: list[Tensor] = []
    for number in range(len(x)):  # image by image, since all at once would fill the memory
        inside = positions[positions // per_image == number] - number * per_image
        if len(inside):
            columns = F.unfold(x[number : number + 1], node.kernel, 1, node.pad, node.stride)
            patches.append(columns[0].T[torch.from_numpy(inside).to(x.device)])
    return torch.cat(patches)
