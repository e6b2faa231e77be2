"""What can be dreamed on: named layers, and their activations for an image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from dreamflow.core.errors import SettingsError, did_you_mean, suggest_similar
from dreamflow.core.machine.machine import Machine
from dreamflow.core.targets import CLASS_LAYER


@dataclass(frozen=True)
class Layer:
    """Facts of a layer.

    channels: feature maps. stride: pixels of the picture per position; 0 where there is one
    position for all of it. receptive_field: pixels of the picture, per side, that one position
    sees; None where it sees all, or nobody knows.
    depth: convolutions on the longest way from the picture. smallest: the least side, in pixels,
    of a picture that reaches the layer. category: of the 2015 guide, or "".
    """

    name: str
    channels: int
    stride: int
    receptive_field: int | None
    depth: int
    smallest: int
    category: str


class Network(ABC):
    """An image network with fixed weights, on one device.

    name: as `load_network` knows it. layers: facts by layer name, shallow to deep.
    weights_hash: SHA-256 of the weights file (of the tensors where there is no file), or "".
    classes: facts of the layer of its classes (`dreamflow.core.targets.CLASS`), a channel each before
    the softmax; None where it has no classifier. device: where it is, and where images must be.
    dtype: of its weights and activations within; images and what `activations` gives are float32.
    """

    bfloat16_validated = False
    """Whether its dreams were seen to be as good in it, with real weights, and faster."""

    def __init__(self, name: str, layers: Mapping[str, Layer], weights_hash: str = "") -> None:
        self.name = name
        self.layers = dict(layers)
        self.weights_hash = weights_hash
        self.class_layer: Layer | None = None
        self.device = torch.device("cpu")
        self.dtype = torch.float32
        self._machine = Machine.default("cpu", "float32")

    @property
    def precision(self) -> str:
        """The name of its dtype: float32, bfloat16 or float16."""
        return str(self.dtype).removeprefix("torch.")

    @property
    def machine(self) -> Machine:
        """The machine that it computes on, at its own device and precision."""
        return self._machine.moved_to(self.device, self.precision)

    @machine.setter
    def machine(self, machine: Machine) -> None:
        self._machine = machine

    def layer(self, name: str) -> Layer:
        """Return the facts of a layer, or raise SettingsError with the nearest names."""
        return find_layer(self.name, self.all_layers, name)

    @property
    def all_layers(self) -> dict[str, Layer]:
        """The facts of the layers by name, with that of the classes where there is one."""
        return self.layers | ({CLASS_LAYER: self.class_layer} if self.class_layer else {})

    def activations(self, image: Tensor, layer_names: Iterable[str]) -> dict[str, Tensor]:
        """Return the wanted layers' activations, computing nothing that they do not need.

        image: float32 (1, 3, H, W), RGB in [0, 1]. Each activation is float32 (1, C, h, w). Raises
        SettingsError for an unknown layer or a picture that is too small for it.
        """
        names = tuple(layer_names)
        self.check_size(names, *image.shape[2:])
        return {name: found.float() for name, found in self.compute(image, names).items()}

    def check_size(self, names: Iterable[str], height: int, width: int) -> None:
        """Raise SettingsError where a picture is too small for one of some layers."""
        for name in names:
            smallest = self.layer(name).smallest
            if min(height, width) < smallest:
                raise SettingsError(
                    f"a picture of {width}x{height} is too small for {name}, "
                    f"which needs {smallest} pixels a side; give a larger --size"
                )

    @abstractmethod
    def compute(self, image: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
        """Return the activations of known layers for an image that is large enough for them."""

    @abstractmethod
    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Network:
        """Move the network to a device, let it compute in a dtype from now on, and return it."""


def find_layer(network: str, layers: Mapping[str, Layer], name: str) -> Layer:
    """Return the layer of that name, or raise SettingsError with the nearest names."""
    if name == CLASS_LAYER and name not in layers:
        raise SettingsError(
            f"{network}, or the file of its weights, has no classifier: there are no classes to "
            "dream on; googlenet and torchvision's networks have one"
        )
    if name not in layers:
        inside = [known for known in layers if known.startswith(f"{name}.")]
        if inside:
            raise SettingsError(f"{network} has no layer {name!r}; its last step is {inside[-1]}")
        if network == "pocket" and name in _load_googlenet_layers():
            raise SettingsError(f"pocket has no layer {name!r}; --network googlenet has it")
        # Of a module, or a part of its name, what comes out of it is meant first.
        ordered = sorted(layers, key=lambda known: not known.endswith("/output"))
        parts = [known for known in ordered if known.casefold().startswith(f"{name.casefold()}/")]
        hint = did_you_mean(parts[:3]) or suggest_similar(name, ordered)
        hint = hint or f"; `dreamflow layers --network {network}` lists them"
        raise SettingsError(f"{network} has no layer {name!r}{hint}")
    return layers[name]


def _load_googlenet_layers() -> Mapping[str, Layer]:
    """Return the layers of the network that pocket was made from, deeper ones than its own too."""
    from dreamflow.networks.caffe import googlenet  # which stands on this module

    return googlenet.describe_googlenet_layers()
