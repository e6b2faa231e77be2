"""A student that begins as a thinned-out teacher, instead of as noise.

Layer by layer, as in channel pruning (He, Zhang and Sun 2017, "Channel Pruning for Accelerating
Very Deep Neural Networks"): the trunk keeps those channels of the teacher's that say most of all,
its weights are the least-squares fit of what it sees itself to what the kept channels say, and the
readout is the least-squares fit of the kept channels to all. In half a minute this reaches what
training from noise took an hour for.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dreamflow.networks.caffe.graph import INPUT_NODE, GraphNetwork, Node, pool_or_concat
from dreamflow.networks.caffe.pocket import TRUNK_PREFIX
from dreamflow.networks.kernels.response_norm import local_response_norm

MAX_FIT_POSITIONS = 40_000
"""Positions of a layer that its weights are fitted to."""
RIDGE_SHARE = 1e-4
SELECTION_POWER_FLOOR_SHARE = 0.3
"""A channel's say in what is kept: its power over (its own + this share of the mean power)."""


@torch.no_grad()
def fit_student_weights(
    teacher: GraphNetwork, nodes: Sequence[Node], images: Tensor, rng: np.random.Generator
) -> dict[str, Tensor]:
    """Return the weights of a pocket's graph, `<layer>.weight` (OIHW, RGB in) and `.bias`.

    images: float32 (N, 3, H, W), RGB in [0, 1], of the kinds that will be dreamed on.
    """
    names = [node.name for node in nodes if node.name in teacher.nodes]
    theirs = {INPUT_NODE: teacher.preprocess(images)} | teacher.activations(images, names)
    ours = {INPUT_NODE: theirs[INPUT_NODE]}
    weights: dict[str, Tensor] = {}
    for node in (node for node in nodes if node.name.startswith(TRUNK_PREFIX)):
        if node.kind == "norm":
            ours[node.name] = local_response_norm(ours[node.inputs[0]])
            continue
        if node.kind != "conv":
            ours[node.name] = pool_or_concat(node, ours)
            continue
        name = node.name.removeprefix(TRUNK_PREFIX)
        original = teacher.nodes[name]
        wanted = flatten_positions(theirs[name])
        picked = np.sort(rng.permutation(len(wanted))[:MAX_FIT_POSITIONS])
        kept = select_teacher_channels(wanted, node.channels)
        if node.inputs[0] == INPUT_NODE:
            weight, bias = (part[kept] for part in teacher.get_weight_and_bias(original))
        else:
            before = flatten_positions(
                teacher.convolve(original, theirs[original.inputs[0]])[:, kept]
            )[picked]
            weight, bias = fit_linear(extract_patches(ours[node.inputs[0]], node, picked), before)
            weight = weight.view(node.channels, -1, node.kernel, node.kernel)
        found = F.relu_(F.conv2d(ours[node.inputs[0]], weight, bias, node.stride, node.pad))
        ours[node.name] = found
        readout, offset = fit_linear(flatten_positions(found)[picked], wanted[picked])
        weights |= {f"{node.name}.weight": weight, f"{node.name}.bias": bias}
        weights |= {f"{name}.weight": readout[:, :, None, None], f"{name}.bias": offset}
    return weights


def flatten_positions(x: Tensor) -> Tensor:
    """Return (N, C, H, W) as (N H W, C)."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def select_teacher_channels(values: Tensor, count: int) -> list[int]:
    """Return which columns of (n, C) tell most of all the others, best first, then in order.

    Each next one is that whose addition explains most of what is not yet explained (pivoted
    Cholesky on the second moments, with the gain in place of the diagonal).
    """
    power = values.square().mean(dim=0)
    scaled = values * (power + SELECTION_POWER_FLOOR_SHARE * power.mean()).clamp_min(1e-20).rsqrt()
    left = (scaled.T @ scaled / len(scaled)).double()
    before = left.diagonal().clone()
    kept: list[int] = []
    for _ in range(count):
        alone = left.diagonal()
        gain = left.square().sum(dim=0) / alone.clamp_min(1e-12)
        gain[alone < 1e-6 * before] = 0
        gain[kept] = -1
        best = int(gain.argmax())
        kept.append(best)
        left = left - torch.outer(left[:, best], left[best]) / left[best, best].clamp_min(1e-12)
    return sorted(kept)


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
    """Return what a convolution sees at some of its positions, (len(picked), I kH kW)."""
    size = (x.shape[2] + 2 * node.pad - node.kernel) // node.stride + 1
    per_picture = size * ((x.shape[3] + 2 * node.pad - node.kernel) // node.stride + 1)
    found: list[Tensor] = []
    for number in range(len(x)):  # picture by picture, since all at once would fill the memory
        inside = positions[positions // per_picture == number] - number * per_picture
        if len(inside):
            columns = F.unfold(x[number : number + 1], node.kernel, 1, node.pad, node.stride)
            found.append(columns[0].T[torch.from_numpy(inside).to(x.device)])
    return torch.cat(found)
