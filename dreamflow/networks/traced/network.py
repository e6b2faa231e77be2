"""Any PyTorch module as a network to dream on: torchvision's classifiers, or one of your own."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, fx, nn

from dreamflow.core.errors import SettingsError, WeightsError
from dreamflow.core.targets import CLASS_LAYER
from dreamflow.networks.network import Network
from dreamflow.networks.traced.batch_norm_folding import (
    cast_graph,
    extract_subgraph,
    get_node_attribute,
)
from dreamflow.networks.traced.trace import (
    find_ancestors,
    frozen_copy,
    summarise_error,
    trace_module,
)
from dreamflow.networks.weights.formats import hash_tensors


class TracedNetwork(Network):
    """A module that torch.fx has traced; each set of wanted layers runs a graph of its own."""

    def __init__(
        self,
        name: str,
        module: nn.Module,
        mean: Sequence[float],
        std: Sequence[float],
        weights_hash: str = "",
    ) -> None:
        """Trace a module.

        Args:
            name: Of the network.
            module: It stays as it is; its weights are shared, not copied.
            mean: Of the red, green and blue channels in [0, 1] that it was trained with.
            std: Of the same, the standard deviation.
            weights_hash: SHA-256 of the weights.

        Raises:
            SettingsError: It cannot be traced.
            WeightsError: A weight that dreams need is on the meta device, or not finite.
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
        """Raise WeightsError where a weight that layers need is missing or not finite."""
        nodes = find_ancestors(self._traced.nodes_by_name[name] for name in self.layers)
        for target in sorted({str(node.target) for node in nodes if node.op == "call_module"}):
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
        tensors: list[Tensor] = []
        for node in find_ancestors([self._traced.nodes_by_name[CLASS_LAYER]]):
            if node.op == "call_module":
                part = self._module.get_submodule(str(node.target))
                tensors += part.state_dict().values()
            elif node.op == "get_attr":
                tensors.append(get_node_attribute(self._module, node))
        return not any(tensor.is_meta for tensor in tensors)

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> TracedNetwork:
        """Move the network to a device, let it compute in a dtype from now on, and return it."""
        self.device, self.dtype = torch.device(device), dtype or self.dtype
        for node in find_ancestors(self._traced.nodes_by_name[name] for name in self.all_layers):
            if node.op == "call_module":
                self._module.get_submodule(str(node.target)).to(self.device)
            elif node.op == "get_attr":
                self._move_attribute(node)
        self._mean, self._std = self._mean.to(self.device), self._std.to(self.device)
        self._subgraphs.clear()
        return self

    def _move_attribute(self, node: fx.Node) -> None:
        value = get_node_attribute(self._module, node)
        if not isinstance(value, Tensor):
            return
        moved = value.to(self.device)
        if isinstance(value, nn.Parameter):
            moved = nn.Parameter(moved, requires_grad=False)
        owner, _, name = str(node.target).rpartition(".")
        setattr(self._module.get_submodule(owner), name, moved)

    def compute(self, image: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
        """Return the activations of layers.

        Args:
            image: (1, 3, H, W) float32, RGB in [0, 1].
            names: Of known layers.

        Returns:
            (1, C, h, w) by layer, (1, C, 1, 1) of the classes, in the network's dtype.

        Raises:
            SettingsError: The module does not take an image of this size.
        """
        if names not in self._subgraphs:
            self._subgraphs[names] = cast_graph(self.extract_subgraph(names), self.dtype)
        return self._run(self._subgraphs[names], image, names, self.dtype)

    def compute_unfolded(self, image: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
        """Return the same in float32, by the module's own operations, none of them fused."""
        graph = self.extract_subgraph(names, unfolded=True)
        return self._run(graph, image, names, torch.float32)

    def extract_subgraph(self, names: tuple[str, ...], unfolded: bool = False) -> fx.GraphModule:
        """Return the graph of layers and of nothing more, float32.

        Args:
            names: Of the layers.
            unfolded: Whether normalisations and ReLUs stay operations of their own.
        """
        outputs = {name: self._traced.nodes_by_name[name] for name in names}
        return extract_subgraph(self._module, self._traced.graph, outputs, fold=not unfolded)

    def _run(
        self, graph: fx.GraphModule, image: Tensor, names: tuple[str, ...], dtype: torch.dtype
    ) -> dict[str, Tensor]:
        height, width = image.shape[2:]
        normalised = ((image - self._mean) / self._std).to(dtype)
        try:
            activations = graph(normalised.contiguous(memory_format=torch.channels_last))
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, AssertionError, ValueError, IndexError) as error:
            if "memory" in str(error):
                raise
            raise SettingsError(
                f"{self.name} does not take a picture of {width}x{height} for "
                f"{', '.join(names)}: {summarise_error(error)}",
                setting="size",
                value=f"{width}x{height}",
            ) from error
        channels_last = self._traced.channels_last_layers
        if CLASS_LAYER in activations:
            activations[CLASS_LAYER] = activations[CLASS_LAYER][:, :, None, None]
        return {
            name: maps.permute(0, 3, 1, 2) if name in channels_last else maps
            for name, maps in activations.items()
        }


def network_of(
    module: nn.Module,
    mean: Sequence[float] = (0.485, 0.456, 0.406),
    std: Sequence[float] = (0.229, 0.224, 0.225),
    name: str = "module",
) -> Network:
    """Return a network to dream on, made of a PyTorch module of your own.

    Its layers are all steps of the module's graph that keep height and width, named as
    torchvision's feature extraction names them: `features.3`.

    Args:
        module: Takes (image - mean) / std of a float32 (1, 3, H, W) RGB image in [0, 1], H and W
            free. `torch.fx` must be able to trace it. It stays as it is; its weights are shared.
        mean: Of the red, green and blue channels; by default ImageNet's.
        std: Of the same, the standard deviation.
        name: Of the network.

    Raises:
        SettingsError: The module cannot be traced, or has no such layer.
    """
    if len(mean) != 3 or len(std) != 3 or min(std) <= 0:
        raise SettingsError("mean and std are three numbers each, of red, green and blue")
    return TracedNetwork(name, module, mean, std, hash_tensors(module.state_dict()))
