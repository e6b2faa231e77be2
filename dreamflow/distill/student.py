"""A network that can be trained: a graph's convolutions, each with batch normalisation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dreamflow.networks.googlenet import MEAN_BGR
from dreamflow.networks.graph import SOURCE, Node, describe, pool_or_concat


class Student(nn.Module):
    """The trainable form of a graph; `folded` gives the weights of its `Network`."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        super().__init__()
        self.nodes = list(nodes)
        channels = {SOURCE: 3} | {layer.name: layer.channels for layer in describe(nodes).values()}
        self.convolutions = nn.ModuleDict()
        for node in nodes:
            if node.kind == "conv":
                convolution = nn.Conv2d(
                    channels[node.inputs[0]],
                    node.channels,
                    node.kernel,
                    node.stride,
                    node.pad,
                    bias=False,
                )
                nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
                self.convolutions[node.name] = nn.Sequential(
                    convolution, nn.BatchNorm2d(node.channels)
                )
        mean = torch.tensor(list(reversed(MEAN_BGR))).view(1, 3, 1, 1)
        self.register_buffer("mean", mean, persistent=False)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Return every layer's activation for images (N, 3, H, W), RGB in [0, 1]."""
        known = {SOURCE: image * 255 - self.get_buffer("mean")}
        for node in self.nodes:
            if node.kind == "conv":
                known[node.name] = F.relu(self.convolutions[node.name](known[node.inputs[0]]))
            elif node.kind == "norm":
                # PyTorch's own can be differentiated twice, which ours cannot.
                known[node.name] = F.local_response_norm(known[node.inputs[0]], 5, 1e-4, 0.75, 1.0)
            else:
                known[node.name] = pool_or_concat(node, known)
        del known[SOURCE]
        return known

    def folded(self) -> dict[str, Tensor]:
        """Return `<layer>.weight` (OIHW, BGR in) and `.bias`, batch normalisation folded in."""
        weights: dict[str, Tensor] = {}
        for node in self.nodes:
            if node.kind != "conv":
                continue
            convolution, norm = self.convolutions[node.name]  # type: ignore[misc]
            scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
            weight = convolution.weight * scale[:, None, None, None]
            if node.inputs[0] == SOURCE:
                weight = weight.flip(1)
            weights[f"{node.name}.weight"] = weight.detach().float().cpu().contiguous()
            bias = norm.bias - norm.running_mean * scale
            weights[f"{node.name}.bias"] = bias.detach().float().cpu().contiguous()
        return weights
