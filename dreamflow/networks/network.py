"""What can be dreamed on: a network's named layers, and their activations for an image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from dreamflow.core.errors import SettingsError, named
from dreamflow.core.machine.machine import Machine
from dreamflow.core.targets import CLASS_LAYER
from dreamflow.core.text.did_you_mean import did_you_mean, suggest_similar
from dreamflow.networks.caffe.googlenet_graph import make_googlenet_nodes


@dataclass(frozen=True)
class Layer:
    """Facts of a layer.

    Attributes:
        name: Of the layer.
        channels: Feature maps.
        stride: Image pixels per position; 0 where there is one position for the whole image.
        receptive_field: Image pixels, per side, that one position sees; None where it sees all of
            them, or it is unknown.
        depth: Convolutions on the longest path from the image.
        smallest: Least side, in pixels, of an image that reaches the layer.
        category: In the 2015 guide, or "".
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

    Attributes:
        name: As `load_network` knows it.
        layers: Facts by layer name, shallow to deep.
        weights_hash: SHA-256 of the weights file (of the tensors where there is no file), or "".
        class_layer: Facts of the layer of its classes (`dreamflow.core.targets.CLASS_LAYER`), one
            channel each before the softmax; None where it has no classifier.
        device: Where it is, and where images must be.
        dtype: Of its weights and its activations inside; images, and the activations that
            `activations` returns, are float32.
    """

    bfloat16_validated = False
    """Whether dreams in bfloat16, with real weights, were measured to be as good, and faster."""

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
        """Return the facts of a layer.

        Raises:
            SettingsError: There is none; the message suggests the nearest names.
        """
        return find_layer(self.name, self.all_layers, name)

    @property
    def all_layers(self) -> dict[str, Layer]:
        """The facts of the layers by name, the layer of classes included where there is one."""
        return self.layers | ({CLASS_LAYER: self.class_layer} if self.class_layer else {})

    def activations(self, image: Tensor, layer_names: Iterable[str]) -> dict[str, Tensor]:
        """Return the activations of layers, computing nothing that they do not need.

        Args:
            image: (1, 3, H, W) float32, RGB in [0, 1].
            layer_names: Of the layers wanted.

        Returns:
            (1, C, h, w) float32 by layer.

        Raises:
            SettingsError: A layer is unknown, or the image is too small for it.
        """
        names = tuple(layer_names)
        self.check_size(names, *image.shape[2:])
        return {name: maps.float() for name, maps in self.compute(image, names).items()}

    def check_size(self, names: Iterable[str], height: int, width: int) -> None:
        """Raise SettingsError where an image is too small for one of the layers."""
        for name in names:
            smallest = self.layer(name).smallest
            if min(height, width) < smallest:
                raise SettingsError(
                    f"a picture of {width}x{height} is too small for {name}, which needs "
                    f"{smallest} pixels a side; give a larger {named('size')}",
                    setting="size",
                    value=f"{width}x{height}",
                    allowed=f"at least {smallest} pixels a side",
                )

    @abstractmethod
    def compute(self, image: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
        """Return the activations of known layers for an image that is large enough for them.

        Args:
            image: (1, 3, H, W) float32, RGB in [0, 1].
            names: Of the layers.

        Returns:
            (1, C, h, w) by layer, in the network's dtype.
        """

    @abstractmethod
    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Network:
        """Move the network to a device, let it compute in a dtype from now on, and return it."""


def find_layer(network: str, layers: Mapping[str, Layer], name: str) -> Layer:
    """Return the facts of a layer by its name.

    Args:
        network: Name of the network, for the message.
        layers: Facts of its layers, by name.
        name: Of the layer.

    Raises:
        SettingsError: There is none; the message suggests the nearest names.
    """
    if name in layers:
        return layers[name]
    if name == CLASS_LAYER:
        raise SettingsError(
            f"{network}, or the file of its weights, has no classifier: there are no classes to "
            f"dream on; give {named('network')} googlenet or one of torchvision's",
            setting="layer",
            value=name,
        )
    raise SettingsError(
        f"{network} has no layer {name!r}{_suggest_layer(network, layers, name)}",
        setting="layer",
        value=name,
    )


def _suggest_layer(network: str, layers: Mapping[str, Layer], name: str) -> str:
    """Return what to write instead of a name that is no layer's."""
    inside = [known for known in layers if known.startswith(f"{name}.")]
    if inside:
        return f"; its last step is {inside[-1]}"
    if network == "pocket" and any(node.name == name for node in make_googlenet_nodes()):
        return f"; {named('network')} googlenet has it"
    # The name of a module, or a part of one, most likely means the module's output.
    ordered = sorted(layers, key=lambda known: not known.endswith("/output"))
    parts = [known for known in ordered if known.casefold().startswith(f"{name.casefold()}/")]
    hint = did_you_mean(parts[:3]) or suggest_similar(name, ordered)
    return hint or (
        f"; `dreamflow layers --network {network}` lists them, `dreamflow presets list` has "
        "ready-made looks, and `dreamflow channels IMAGE` draws what single channels dream"
    )
