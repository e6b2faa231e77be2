"""Any PyTorch module as a network to dream on: torchvision's classifiers, or one of your own."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from dreamflow.core.errors import SettingsError, WeightsError
from dreamflow.core.targets import CLASS_LAYER
from dreamflow.networks.kernels.convolution import FrozenConvolution
from dreamflow.networks.network import Network
from dreamflow.networks.traced.trace import (
    find_ancestors,
    frozen_copy,
    summarise_error,
    trace_module,
)
from dreamflow.networks.weights.formats import hash_tensors

FOLD_PROBE_SIDE_PX = 32
"""Side of the noise on which it is seen whether a convolution took up its normalisation."""


class TracedNetwork(Network):
    """A module whose graph was traced; for wanted layers a graph of their own is cut out of it.

    In that graph batch normalisation is folded into the convolution before it, and a ReLU is
    computed together with the convolution, unless what comes between is wanted itself.
    """

    def __init__(
        self,
        name: str,
        module: nn.Module,
        mean: Sequence[float],
        std: Sequence[float],
        weights_hash: str = "",
    ) -> None:
        """Trace a module. It is left as it is; its weights are shared, not copied.

        mean, std: of the red, green and blue channels in [0, 1], as the module was trained with.
        Raises SettingsError where it cannot be traced, WeightsError where a weight is missing.
        """
        self._module = frozen_copy(module)
        self._traced = trace_module(name, self._module)
        super().__init__(name, self._traced.layers, weights_hash)
        self._check_weights()
        self.class_layer = self._traced.class_layer if self._has_classifier() else None
        for parameter in self._module.parameters():
            if parameter.dim() == 4 and not parameter.is_meta:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        self._mean = torch.tensor(list(mean), dtype=torch.float32).view(1, 3, 1, 1)
        self._std = torch.tensor(list(std), dtype=torch.float32).view(1, 3, 1, 1)
        self._subgraphs: dict[tuple[str, ...], fx.GraphModule] = {}

    def _check_weights(self) -> None:
        nodes = [self._traced.nodes_by_name[name] for name in self.layers]
        for target in sorted(
            {str(n.target) for n in find_ancestors(nodes) if n.op == "call_module"}
        ):
            for key, tensor in self._module.get_submodule(target).state_dict().items():
                if tensor.is_meta:
                    raise WeightsError(
                        f"these weights do not fit {self.name}: {target}.{key} is missing"
                    )
                if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                    raise WeightsError(
                        f"these weights are damaged: {target}.{key} holds NaN or infinity"
                    )

    def _has_classifier(self) -> bool:
        """Return whether the weights of the last layers are there: dreams can do without them."""
        if self._traced.class_layer is None:
            return False
        needed = find_ancestors([self._traced.nodes_by_name[CLASS_LAYER]])
        parts = [str(node.target) for node in needed if node.op == "call_module"]
        tensors = [t for p in parts for t in self._module.get_submodule(p).state_dict().values()]
        tensors += [
            get_node_attribute(self._module, node) for node in needed if node.op == "get_attr"
        ]
        return not any(tensor.is_meta for tensor in tensors)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> TracedNetwork:
        """Move the network to a device, let it compute in a dtype from now on, and return it."""
        self.device, self.dtype = torch.device(device), dtype or self.dtype
        nodes = [self._traced.nodes_by_name[name] for name in self.all_layers]
        for node in find_ancestors(nodes):
            if node.op == "call_module":
                self._module.get_submodule(str(node.target)).to(self.device)
            elif node.op == "get_attr":
                owner, _, name = str(node.target).rpartition(".")
                part = self._module.get_submodule(owner)
                kept = getattr(part, name)
                if isinstance(kept, nn.Parameter):
                    kept.data = kept.data.to(self.device)
                elif isinstance(kept, Tensor):
                    setattr(part, name, kept.to(self.device))
        self._mean, self._std = self._mean.to(self.device), self._std.to(self.device)
        self._subgraphs.clear()
        return self

    def compute(self, image: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
        """Return the activations of `names`, those of channels-last layers turned to (1, C, h, w).

        Those of the classes are (1, C, 1, 1). Raises SettingsError where the module does not take a
        picture of this size.
        """
        if names not in self._subgraphs:
            self._subgraphs[names] = cast_graph(self._extract_subgraph(names), self.dtype)
        return self._run(self._subgraphs[names], image, names, self.dtype)

    def compute_unfolded(self, image: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
        """Return the same in float32, by the module's own operations, one by one, unfolded."""
        return self._run(self._extract_subgraph(names, unfolded=True), image, names, torch.float32)

    def _run(
        self, graph: fx.GraphModule, image: Tensor, names: tuple[str, ...], dtype: torch.dtype
    ) -> dict[str, Tensor]:
        height, width = image.shape[2:]
        seen = ((image - self._mean) / self._std).to(dtype)
        try:
            found = graph(seen.contiguous(memory_format=torch.channels_last))
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, AssertionError, ValueError, IndexError) as error:
            if "memory" in str(error):
                raise
            raise SettingsError(
                f"{self.name} does not take a picture of {width}x{height} for "
                f"{', '.join(names)}: {summarise_error(error)}"
            ) from error
        turned = self._traced.channels_last_layers
        if CLASS_LAYER in found:
            found[CLASS_LAYER] = found[CLASS_LAYER][:, :, None, None]
        return {n: x.permute(0, 3, 1, 2) if n in turned else x for n, x in found.items()}

    def _extract_subgraph(self, names: tuple[str, ...], unfolded: bool = False) -> fx.GraphModule:
        """Return the graph of the wanted layers and nothing more."""
        wanted = [self._traced.nodes_by_name[name] for name in names]
        cut = _SubgraphExtractor(self._module, set(wanted), fold=not unfolded)
        for node in self._traced.graph.nodes:
            cut.copy_node(node)
        return cut.build_graph_module(dict(zip(names, wanted, strict=True)))


def get_node_attribute(module: nn.Module, node: fx.Node) -> Any:
    """Return what a node that reads an attribute of a module or of its parts finds."""
    owner, _, name = str(node.target).rpartition(".")
    return getattr(module.get_submodule(owner), name)


class _SubgraphExtractor:
    """A graph as it is cut out of a larger one, node by node."""

    def __init__(self, module: nn.Module, output_nodes: set[fx.Node], fold: bool) -> None:
        self.module, self.output_nodes, self.fold = module, output_nodes, fold
        self.required_nodes = find_ancestors(list(output_nodes))
        self.graph = fx.Graph()
        self.copies: dict[fx.Node, fx.Node] = {}
        self.parts: dict[str, Any] = {}
        self.convolutions: dict[fx.Node, nn.Conv2d] = {}

    def copy_node(self, node: fx.Node) -> None:
        """Copy a node where it is needed, or do its work in the one before it."""
        if node.op == "output" or (node.op != "placeholder" and node not in self.required_nodes):
            return
        if self.fold and self._fuse_into_previous(node):
            return
        self.copies[node] = self.graph.node_copy(node, lambda source: self.copies[source])
        if node.op == "call_module":
            part = self.module.get_submodule(str(node.target))
            self.parts[str(node.target)] = part
            if isinstance(part, nn.Conv2d):
                self.convolutions[node] = part
        elif node.op == "get_attr":
            self.parts[str(node.target)] = get_node_attribute(self.module, node)

    def _fuse_into_previous(self, node: fx.Node) -> bool:
        source = node.all_input_nodes[0] if len(node.all_input_nodes) == 1 else None
        if source is None or source not in self.convolutions or source in self.output_nodes:
            return False
        if len([reader for reader in source.users if reader in self.required_nodes]) > 1:
            return False
        before, convolution = self.copies[source], self.convolutions[source]
        part = self.module.get_submodule(str(node.target)) if node.op == "call_module" else None
        if type(part) is nn.BatchNorm2d and part.track_running_stats:
            folded = _fold_batch_norm(convolution, part)
            if folded is None:
                return False
            self._replace_module(before, folded)
            self.convolutions[node] = folded
        elif (
            type(part) is nn.ReLU or node.target in (F.relu, torch.relu, "relu")
        ) and _fits_frozen_convolution(convolution):
            self._replace_module(before, _FusedConvolutionReLU(convolution))
        else:
            return False
        self.copies[node] = before
        return True

    def _replace_module(self, node: fx.Node, part: nn.Module) -> None:
        name = f"folded_{len(self.parts)}"
        self.parts[name] = part
        node.target = name

    def build_graph_module(self, outputs: dict[str, fx.Node]) -> fx.GraphModule:
        """End the graph with the wanted nodes, by name."""
        self.graph.output({name: self.copies[node] for name, node in outputs.items()})
        used = {str(node.target) for node in self.graph.nodes}
        kept = {name: part for name, part in self.parts.items() if name in used}
        return fx.GraphModule(kept, self.graph).eval()


def cast_graph(graph: fx.GraphModule, dtype: torch.dtype) -> fx.GraphModule:
    """Return a graph that computes in a dtype; its weights are the module's own in float32 only."""
    if dtype == torch.float32:
        return graph
    own = copy.deepcopy(graph).to(dtype)
    for part in own.modules():
        if isinstance(part, _FusedConvolutionReLU):
            part.frozen_convolution = part.frozen_convolution.to(
                part.frozen_convolution.weight.device, dtype
            )
    return own


class _FusedConvolutionReLU(nn.Module):
    """A convolution and its ReLU, as `FrozenConvolution` computes them."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        bias = convolution.bias
        if bias is None:
            bias = convolution.weight.new_zeros(convolution.out_channels)
        stride, pad = int(convolution.stride[0]), int(convolution.padding[0])
        self.frozen_convolution = FrozenConvolution(
            convolution.weight.detach(), bias.detach(), stride, pad
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.frozen_convolution(x)


def _fold_batch_norm(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d | None:
    """Return a convolution that normalises, too; None where that does not come to the same.

    One of its own class may do with its weights what it likes, so it is tried out.
    """
    folded = fuse_conv_bn_eval(convolution, norm).requires_grad_(False)
    if type(convolution) is nn.Conv2d:
        return folded
    made = torch.Generator().manual_seed(0)
    probe = torch.randn(
        1, convolution.in_channels, FOLD_PROBE_SIDE_PX, FOLD_PROBE_SIDE_PX, generator=made
    )
    probe = probe.to(convolution.weight.device)
    with torch.no_grad():
        plain, found = norm(convolution(probe)), folded(probe)
    return folded if float((found - plain).abs().max()) < 1e-3 * float(plain.abs().max()) else None


def _fits_frozen_convolution(convolution: nn.Conv2d) -> bool:
    """Return whether a convolution has the shape that `FrozenConvolution` is for."""
    square = all(
        len(set(pair)) == 1 and not isinstance(pair, str)
        for pair in (convolution.kernel_size, convolution.stride, convolution.padding)
    )
    plain = type(convolution) is nn.Conv2d and convolution.groups == 1
    plain = plain and set(convolution.dilation) == {1}
    return square and plain and convolution.padding_mode == "zeros"


def network_of(
    module: nn.Module,
    mean: Sequence[float] = (0.485, 0.456, 0.406),
    std: Sequence[float] = (0.229, 0.224, 0.225),
    name: str = "module",
) -> Network:
    """Return a network to dream on, made of a PyTorch module of your own.

    module: takes a float32 (1, 3, H, W) RGB image less `mean` and over `std` (of the channels in
    [0, 1]; those of ImageNet where not given), H and W free. It must be one that `torch.fx` can
    trace. It is left as it is, its weights are shared. Its layers are all steps of its graph that
    keep height and width, named as torchvision's feature extraction names them: `features.3`.
    Raises SettingsError where it cannot be traced or has no such layer.
    """
    if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
        raise SettingsError("mean and std are three numbers each, of red, green and blue")
    return TracedNetwork(name, module, mean, std, hash_tensors(module.state_dict()))
