"""A network that can be trained: a graph whose convolutions are parameters of about unit size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dreamflow.networks.caffe.googlenet import MEAN_BGR
from dreamflow.networks.caffe.graph import describe_graph_layers
from dreamflow.networks.caffe.node import HIDDEN_PREFIX, INPUT_NODE, Node
from dreamflow.networks.caffe.pocket import FACTOR_SUFFIX, TRUNK_PREFIX
from dreamflow.networks.kernels.response_norm import twice_differentiable_response_norm

BIAS_RMS_SHARE = 0.3
"""Scale of a bias, as a share of its layer's root mean square."""


class Student(nn.Module):
    """The trainable form of a pocket's graph; `export_weights` returns its `GraphNetwork`'s.

    Each weight is a parameter of about unit size times a fixed scale, so that one learning rate
    suits all of them: GoogLeNet's activations differ in size by a factor of a hundred.
    """

    def __init__(self, nodes: Sequence[Node]) -> None:
        """Shape the parameters, all 0; `set_weights` or `load_state_dict` fills them.

        Args:
            nodes: The pocket's graph.
        """
        super().__init__()
        self.nodes = list(nodes)
        # The readouts' own pools and normalisations have nothing to learn.
        self.layers = [
            node.name
            for node in nodes
            if node.name[0] != HIDDEN_PREFIX and node.kind in ("conv", "concat")
        ]
        channels = {INPUT_NODE: 3} | {
            layer.name: layer.channels for layer in describe_graph_layers(nodes).values()
        }
        self.parts = nn.ParameterDict()
        for node in nodes:
            if node.kind in ("conv", "linear"):
                shape = (node.channels, channels[node.inputs[0]], node.kernel, node.kernel)
                self._add_parameter(f"{node.name}.weight", torch.zeros(shape))
                self._add_parameter(f"{node.name}.bias", torch.zeros(node.channels))
        mean = torch.tensor(list(reversed(MEAN_BGR))).view(1, 3, 1, 1)
        self.register_buffer("mean", mean, persistent=False)

    def _add_parameter(self, name: str, value: Tensor) -> None:
        layout = torch.channels_last if value.dim() == 4 else torch.contiguous_format
        parameter = nn.Parameter(value.contiguous(memory_format=layout))
        self.parts[_make_parameter_name(name)] = parameter
        self.register_buffer(f"scale_{_make_parameter_name(name)}", torch.ones(()))

    @torch.no_grad()
    def set_weights(self, weights: Mapping[str, Tensor], layer_rms: Mapping[str, float]) -> None:
        """Set the weights, and their scales.

        Args:
            weights: `<layer>.weight` (O, I, kH, kW) over RGB input and `<layer>.bias` (O,).
            layer_rms: Root mean square of the teacher's activations, by layer.
        """
        for name, value in weights.items():
            if name.endswith(".bias"):
                layer = name.removesuffix(".bias").removeprefix(TRUNK_PREFIX)
                layer = layer.removesuffix(FACTOR_SUFFIX)
                scale = torch.as_tensor(BIAS_RMS_SHARE * max(layer_rms[layer], 1e-6))
            else:
                scale = value.square().mean().sqrt().clamp_min(1e-12)
            self.parts[_make_parameter_name(name)].copy_(value / scale)
            self.get_buffer(f"scale_{_make_parameter_name(name)}").copy_(scale)

    def _get_scaled_parameter(self, name: str) -> Tensor:
        key = _make_parameter_name(name)
        return self.parts[key] * self.get_buffer(f"scale_{key}")

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Return the activations (N, C, h, w) of `layers` for images (N, 3, H, W) in [0, 1]."""
        centred = image * 255 - self.get_buffer("mean")
        activations = {INPUT_NODE: centred.contiguous(memory_format=torch.channels_last)}
        for node in self.nodes:
            if node.name[0] != HIDDEN_PREFIX and node.name not in self.layers:
                continue
            source = activations[node.inputs[0]]
            if node.kind in ("conv", "linear"):
                weight = self._get_scaled_parameter(f"{node.name}.weight")
                bias = self._get_scaled_parameter(f"{node.name}.bias")
                maps = F.conv2d(source, weight, bias, node.stride, node.pad)
                maps = F.relu(maps) if node.kind == "conv" else maps
            elif node.kind == "norm":
                maps = twice_differentiable_response_norm(source)
            else:
                maps = pool_or_concat(node, activations)
            activations[node.name] = maps
        return {name: activations[name] for name in self.layers}

    @torch.no_grad()
    def export_weights(self) -> dict[str, Tensor]:
        """Return `<layer>.weight` (O, I, kH, kW) over BGR input and `<layer>.bias` (O,), scaled."""
        weights: dict[str, Tensor] = {}
        for node in self.nodes:
            if node.kind in ("conv", "linear"):
                weight = self._get_scaled_parameter(f"{node.name}.weight")
                bias = self._get_scaled_parameter(f"{node.name}.bias")
                if node.inputs[0] == INPUT_NODE:
                    weight = weight.flip(1)
                weights[f"{node.name}.weight"] = weight.float().cpu().contiguous()
                weights[f"{node.name}.bias"] = bias.float().cpu()
        return weights


def _make_parameter_name(name: str) -> str:
    """Return a name without dots, which PyTorch does not allow in a parameter's."""
    return name.replace(".", "_")


def pool_or_concat(node: Node, activations: Mapping[str, Tensor]) -> Tensor:
    """Return the output of a pool or concatenation, by public operators.

    Args:
        node: Of kind "pool" or "concat".
        activations: (N, C, h, w) of its inputs, by name.
    """
    if node.kind == "pool":
        source = activations[node.inputs[0]]
        return F.max_pool2d(source, node.kernel, node.stride, node.pad, ceil_mode=True)
    return torch.cat([activations[name] for name in node.inputs], dim=1)
