"""A student's first weights: the teacher's, fitted to fewer channels.

Layer by layer, as in channel pruning (He, Zhang and Sun 2017, "Channel Pruning for Accelerating
Very Deep Neural Networks"): the trunk keeps those of the teacher's channels that explain most of
all its channels; the trunk's weights are the least-squares fit of its own inputs to the kept
channels; and the readout is the least-squares fit of the kept channels to all. Half a minute of
this reaches what training from noise takes an hour for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dreamflow.networks.caffe.graph import GraphNetwork, pool_or_concat
from dreamflow.networks.caffe.node import INPUT_NODE, Node
from dreamflow.networks.caffe.pocket import TRUNK_PREFIX
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
    trunk = tuple(node.name for node in nodes if node.name.startswith(TRUNK_PREFIX))
    theirs = teacher.activations(images, layers)
    pixels = {INPUT_NODE: teacher.preprocess(images)}
    if begin_with is None:
        model = _TrunkModel(teacher, "", pixels | theirs)
    else:
        model = _TrunkModel(begin_with, TRUNK_PREFIX, pixels | begin_with.compute(images, trunk))
    ours = dict(pixels)
    weights: dict[str, Tensor] = {}
    for node in (node for node in nodes if node.name.startswith(TRUNK_PREFIX)):
        if node.kind == "norm":
            ours[node.name] = local_response_norm(ours[node.inputs[0]])
        elif node.kind == "conv":
            weights |= _fit_convolution(model, node, theirs, ours, rng)
        else:
            ours[node.name] = pool_or_concat(node, ours)
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


def _fit_convolution(
    model: _TrunkModel,
    node: Node,
    theirs: Mapping[str, Tensor],
    ours: dict[str, Tensor],
    rng: np.random.Generator,
) -> dict[str, Tensor]:
    """Return the weights of one of the trunk's convolutions and of its readout.

    Args:
        model: The network whose channels are kept.
        node: The convolution in the trunk.
        theirs: The teacher's activations, by layer.
        ours: The student's, by layer; this one's are added.
        rng: Picks the positions that are fitted.
    """
    name = node.name.removeprefix(TRUNK_PREFIX)
    original = model.network.nodes[model.prefix + name]
    candidates = flatten_positions(model.activations[original.name])
    positions = np.sort(rng.permutation(len(candidates))[:MAX_FIT_POSITIONS])
    channels = select_teacher_channels(candidates, node.channels)
    source = ours[node.inputs[0]]
    if node.inputs[0] == INPUT_NODE:
        weight, bias = (part[channels] for part in model.network.get_weight_and_bias(original))
    else:
        original_input = model.activations[original.inputs[0]]
        before_relu = model.network.convolve(original, original_input)[:, channels]
        before_relu = flatten_positions(before_relu)[positions]
        weight, bias = fit_linear(extract_patches(source, node, positions), before_relu)
        weight = weight.view(node.channels, -1, node.kernel, node.kernel)
    activation = F.relu_(F.conv2d(source, weight, bias, node.stride, node.pad))
    ours[node.name] = activation
    target = flatten_positions(theirs[name])[positions]
    readout, offset = fit_linear(flatten_positions(activation)[positions], target)
    return {
        f"{node.name}.weight": weight,
        f"{node.name}.bias": bias,
        f"{name}.weight": readout[:, :, None, None],
        f"{name}.bias": offset,
    }


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
    solution = cast(Tensor, torch.linalg.solve(gram, centred.T @ (y - mean_y).double()))
    weight = solution.T.float()
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
            patches.append(columns[0].T[torch.as_tensor(inside).to(x.device)])
    return torch.cat(patches)
