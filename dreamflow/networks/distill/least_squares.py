"""Least squares behind a student's first weights: which channels to keep, and linear maps."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dreamflow.networks.caffe.node import Node

RIDGE_SHARE = 1e-4
"""Ridge added to the diagonal of a fit's Gram matrix, as a share of the diagonal's mean."""
SELECTION_POWER_FLOOR_SHARE = 0.3
"""A channel counts in the selection by power / (power + this * the layer's mean power)."""
MIN_UNEXPLAINED_SHARE = 1e-6
"""A channel with a smaller share of its power left unexplained is not selected."""


def select_channels(values: Tensor, count: int) -> list[int]:
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


def fit_linear(x: Tensor, y: Tensor, prior: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return weight (O, D) and bias (O,) of the least-squares fit of x (n, D) to y (n, O).

    Args:
        x: What the map sees.
        y: What it should answer.
        prior: (O, D), the weight that the fit stays close to where x says little; None is 0. In
            the directions that photographs hardly have, a dream's gradient has most of its detail.
    """
    mean_x, mean_y = x.mean(dim=0), y.mean(dim=0)
    centred = (x - mean_x).double()
    start = torch.zeros(y.shape[1], x.shape[1], device=x.device) if prior is None else prior
    residual = (y - mean_y).double() - centred @ start.double().T
    gram = centred.T @ centred
    ridge = RIDGE_SHARE * gram.diagonal().mean().clamp_min(1e-12)
    gram += ridge * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    change = cast(Tensor, torch.linalg.solve(gram, centred.T @ residual))
    weight = start + change.T.float()
    return weight, mean_y - weight @ mean_x


def factor_weight(
    weight: Tensor, patches: Tensor, responses: Tensor, rank: int, exponent: float
) -> tuple[Tensor, Tensor]:
    """Return the two factors of the map of low rank that keeps most of a linear map.

    It is the span of the leading singular vectors of W M^exponent, each row of W divided by the
    size of its response, with M the second moments of the input.

    Args:
        weight: (O, D), the linear map W.
        patches: (n, D), what it sees.
        responses: (n, O), what it answers before the ReLU.
        rank: Rows of the factor, at most O.
        exponent: 0.5 counts errors by their size on the patches, 0 all directions alike.

    Returns:
        The factor (rank, D), whose responses have the mean power of the whole's; and the expansion
        (O, rank).
    """
    centred = (patches - patches.mean(dim=0)).double()
    moments = centred.T @ centred / len(centred)
    relative = moments / moments.diagonal().mean()
    values, vectors = cast("tuple[Tensor, Tensor]", torch.linalg.eigh(relative))
    metric = vectors @ (values.clamp_min(0) ** exponent)[:, None].mul(vectors.T)
    power = F.relu(responses).square().mean(dim=0)
    scale = (power + SELECTION_POWER_FLOOR_SHARE * power.mean()).sqrt().clamp_min(1e-12)
    scaled = weight.double() / scale.double()[:, None]
    whitened = scaled @ metric
    decomposed = cast("tuple[Tensor, ...]", torch.linalg.svd(whitened, full_matrices=False))
    leading = decomposed[0]
    factor = leading[:, :rank].T @ scaled
    size = (factor @ moments * factor).sum(dim=1).clamp_min(1e-24).sqrt()
    gain = responses.std(dim=0).mean().clamp_min(1e-12) / size
    expansion = scale.double()[:, None] * leading[:, :rank] / gain
    return (gain[:, None] * factor).float(), expansion.float()


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
