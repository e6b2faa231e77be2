"""Any PyTorch module as a network to dream on: torchvision's classifiers, or one of your own."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from dreamflow.errors import SettingsError, WeightsError
from dreamflow.networks.convolution import FrozenConvolution
from dreamflow.networks.network import Network
from dreamflow.networks.tracing import ancestors, first_line, frozen_copy, trace
from dreamflow.networks.weights_file import content_hash
from dreamflow.target import CLASS

PROBE = 32
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
        self._traced = trace(name, self._module)
        super().__init__(name, self._traced.layers, weights_hash)
        self._check_weights()
        self.classes = self._traced.classes if self._has_classifier() else None
        for parameter in self._module.parameters():
            if parameter.dim() == 4 and not parameter.is_meta:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        self._mean = torch.tensor(list(mean), dtype=torch.float32).view(1, 3, 1, 1)
        self._std = torch.tensor(list(std), dtype=torch.float32).view(1, 3, 1, 1)
        self._cut: dict[tuple[str, ...], fx.GraphModule] = {}

    def _check_weights(self) -> None:
        nodes = [self._traced.names[name] for name in self.layers]
        for target in sorted({str(n.target) for n in ancestors(nodes) if n.op == "call_module"}):
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
        if self._traced.classes is None:
            return False
        needed = ancestors([self._traced.names[CLASS]])
        parts = [str(node.target) for node in needed if node.op == "call_module"]
        tensors = [t for p in parts for t in self._module.get_submodule(p).state_dict().values()]
        tensors += [attribute(self._module, node) for node in needed if node.op == "get_attr"]
        return not any(tensor.is_meta for tensor in tensors)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> TracedNetwork:
        """Move the network to a device, let it compute in a dtype from now on, and return it."""
        self.device, self.dtype = torch.device(device), dtype or self.dtype
        nodes = [self._traced.names[name] for name in self.all_layers]
        for node in ancestors(nodes):
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
        self._cut.clear()
        return self

    def compute(self, image: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
        """Return the activations of `names`, those of channels-last layers turned to (1, C, h, w).

        Those of the classes are (1, C, 1, 1). Raises SettingsError where the module does not take a
        picture of this size.
        """
        if names not in self._cut:
            self._cut[names] = in_dtype(self._cut_out(names), self.dtype)
        return self._run(self._cut[names], image, names, self.dtype)

    def plain(self, image: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
        """Return the same in float32, by the module's own operations, one by one, unfolded."""
        return self._run(self._cut_out(names, plain=True), image, names, torch.float32)

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
                f"{', '.join(names)}: {first_line(error)}"
            ) from error
        turned = self._traced.channels_last
        if CLASS in found:
            found[CLASS] = found[CLASS][:, :, None, None]
        return {n: x.permute(0, 3, 1, 2) if n in turned else x for n, x in found.items()}

    def _cut_out(self, names: tuple[str, ...], plain: bool = False) -> fx.GraphModule:
        """Return the graph of the wanted layers and nothing more."""
        wanted = [self._traced.names[name] for name in names]
        cut = _Cut(self._module, set(wanted), fold=not plain)
        for node in self._traced.graph.nodes:
            cut.take(node)
        return cut.finish(dict(zip(names, wanted, strict=True)))


def attribute(module: nn.Module, node: fx.Node) -> Any:
    """Return what a node that reads an attribute of a module or of its parts finds."""
    owner, _, name = str(node.target).rpartition(".")
    return getattr(module.get_submodule(owner), name)


class _Cut:
    """A graph as it is cut out of a larger one, node by node."""

    def __init__(self, module: nn.Module, wanted: set[fx.Node], fold: bool) -> None:
        self.module, self.wanted, self.fold = module, wanted, fold
        self.needed = ancestors(list(wanted))
        self.graph = fx.Graph()
        self.copied: dict[fx.Node, fx.Node] = {}
        self.parts: dict[str, Any] = {}
        self.convolutions: dict[fx.Node, nn.Conv2d] = {}

    def take(self, node: fx.Node) -> None:
        """Copy a node where it is needed, or do its work in the one before it."""
        if node.op == "output" or (node.op != "placeholder" and node not in self.needed):
            return
        if self.fold and self._into_the_one_before(node):
            return
        self.copied[node] = self.graph.node_copy(node, lambda source: self.copied[source])
        if node.op == "call_module":
            part = self.module.get_submodule(str(node.target))
            self.parts[str(node.target)] = part
            if isinstance(part, nn.Conv2d):
                self.convolutions[node] = part
        elif node.op == "get_attr":
            self.parts[str(node.target)] = attribute(self.module, node)

    def _into_the_one_before(self, node: fx.Node) -> bool:
        source = node.all_input_nodes[0] if len(node.all_input_nodes) == 1 else None
        if source is None or source not in self.convolutions or source in self.wanted:
            return False
        if len([reader for reader in source.users if reader in self.needed]) > 1:
            return False
        before, convolution = self.copied[source], self.convolutions[source]
        part = self.module.get_submodule(str(node.target)) if node.op == "call_module" else None
        if type(part) is nn.BatchNorm2d and part.track_running_stats:
            folded = _folded(convolution, part)
            if folded is None:
                return False
            self._replace(before, folded)
            self.convolutions[node] = folded
        elif (type(part) is nn.ReLU or node.target in (F.relu, torch.relu, "relu")) and _simple(
            convolution
        ):
            self._replace(before, _FusedReLU(convolution))
        else:
            return False
        self.copied[node] = before
        return True

    def _replace(self, node: fx.Node, part: nn.Module) -> None:
        name = f"folded_{len(self.parts)}"
        self.parts[name] = part
        node.target = name

    def finish(self, wanted: dict[str, fx.Node]) -> fx.GraphModule:
        """End the graph with the wanted nodes, by name."""
        self.graph.output({name: self.copied[node] for name, node in wanted.items()})
        used = {str(node.target) for node in self.graph.nodes}
        kept = {name: part for name, part in self.parts.items() if name in used}
        return fx.GraphModule(kept, self.graph).eval()


def in_dtype(graph: fx.GraphModule, dtype: torch.dtype) -> fx.GraphModule:
    """Return a graph that computes in a dtype; its weights are the module's own in float32 only."""
    if dtype == torch.float32:
        return graph
    own = copy.deepcopy(graph).to(dtype)
    for part in own.modules():
        if isinstance(part, _FusedReLU):
            part.frozen = part.frozen.to(part.frozen.weight.device, dtype)
    return own


class _FusedReLU(nn.Module):
    """A convolution and its ReLU, as `FrozenConvolution` computes them."""

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        bias = convolution.bias
        if bias is None:
            bias = convolution.weight.new_zeros(convolution.out_channels)
        stride, pad = int(convolution.stride[0]), int(convolution.padding[0])
        self.frozen = FrozenConvolution(convolution.weight.detach(), bias.detach(), stride, pad)

    def forward(self, x: Tensor) -> Tensor:
        return self.frozen(x)


def _folded(convolution: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d | None:
    """Return a convolution that normalises, too; None where that does not come to the same.

    One of its own class may do with its weights what it likes, so it is tried out.
    """
    folded = fuse_conv_bn_eval(convolution, norm).requires_grad_(False)
    if type(convolution) is nn.Conv2d:
        return folded
    made = torch.Generator().manual_seed(0)
    probe = torch.randn(1, convolution.in_channels, PROBE, PROBE, generator=made)
    probe = probe.to(convolution.weight.device)
    with torch.no_grad():
        plain, found = norm(convolution(probe)), folded(probe)
    return folded if float((found - plain).abs().max()) < 1e-3 * float(plain.abs().max()) else None


def _simple(convolution: nn.Conv2d) -> bool:
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
    return TracedNetwork(name, module, mean, std, content_hash(module.state_dict()))
