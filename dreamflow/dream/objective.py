"""What a dream climbs towards: a weighted set of layers, channels and classes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from dreamflow.blend import parse_layers
from dreamflow.dream.aim import Aim, pulled
from dreamflow.dream.exemplar import Exemplar
from dreamflow.dream.tiles import Tiling, choose_tiling, tiled_gradients, tiled_means
from dreamflow.errors import DreamFlowWarning
from dreamflow.memory import pass_memory
from dreamflow.networks.network import Network


@dataclass(frozen=True)
class Objective:
    """The mean square of some layers of a network, each with a weight.

    It is what Google's 2015 notebook climbs (the L2 norm of a blob), taken as a mean, so that its
    value does not depend on the picture's size. Negative weights dream a layer away. Instead of a
    layer there may be some channels of one, or classes (`dreamflow.target`).

    exemplar: the guide, if there is one: layers are dreamed towards it, with as much of `guidance`,
    from 0 to 1. Raises SettingsError for a target that the network does not have.
    """

    network: Network
    weights: Mapping[str, float]
    exemplar: Exemplar | None = None
    guidance: float = 1.0
    aims: dict[str, Aim] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        aims = {name: Aim.at(self.network, name) for name in self.weights}
        object.__setattr__(self, "aims", aims)
        if self.exemplar:
            self.exemplar.check(self.layers)

    @classmethod
    def of(
        cls,
        network: Network,
        layers: Sequence[str],
        exemplar: Exemplar | None = None,
        guidance: float = 1.0,
    ) -> Objective:
        """Return the objective of `NAME` or `NAME=WEIGHT` texts."""
        return cls(network, parse_layers(layers), exemplar, guidance)

    @property
    def device(self) -> torch.device:
        """Where images must be."""
        return self.network.device

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that are looked at, each once."""
        return tuple(dict.fromkeys(aim.layer for aim in self.aims.values()))

    @property
    def smallest(self) -> int:
        """The least side in pixels of a picture that all layers can see."""
        return max(self.network.layer(name).smallest for name in self.layers)

    @torch.no_grad()
    def value(self, image: Tensor) -> float:
        """Return the weighted sum of each layer's mean square for an image (1, 3, H, W).

        Of classes it is their mean before the softmax, and towards a guide the mean product. Tile
        by tile where a pass would take too much memory, as `gradient` is.
        """
        aims, tiling = list(self.aims.values()), self._tiling(image)
        if tiling is not None:
            values = tiled_means(self.network, aims, image, tiling, self._value)
        else:
            found = self.network.activations(image, self.layers)
            values = [self._value(aim, found[aim.layer]) for aim in aims]
        return sum(w * value for w, value in zip(self.weights.values(), values, strict=True))

    def _value(self, aim: Aim, activation: Tensor) -> float:
        return aim.value(activation, self.exemplar, self.guidance)

    def _tiling(self, image: Tensor) -> Tiling | None:
        height, width = image.shape[2:]
        memory = pass_memory(image.device)
        return choose_tiling(self.network, self.layers, height, width, memory)

    def warn_if_silent(self, image: Tensor, dreamed: Tensor) -> bool:
        """Warn where a dream is the very picture that it began with; return whether it is."""
        silent = torch.equal(image, dreamed)
        if silent:
            warnings.warn(
                f"nothing of {' + '.join(self.weights)} responds to the picture: it stays as it is",
                DreamFlowWarning,
                3,
            )
        return silent

    def gradient(self, image: Tensor, moved: tuple[float, float] = (0.0, 0.0)) -> Tensor:
        """Return the direction to climb for an image (1, 3, H, W), of mean absolute value 1.

        Each layer's gradient is brought to mean absolute value 1 before it is weighted, since the
        layers' scales differ by orders of magnitude; so is the sum. Zero where nothing responds.

        A pass that would take too much memory (`dreamflow.memory`) is made tile by tile. moved:
        how far the tiles' borders are shifted, (down, across), from -1 to 1.
        """
        parts = [unit(gradient) for gradient in self._gradients(image, moved)]
        weights = list(self.weights.values())
        if len(parts) == 1:
            return parts[0] if weights[0] > 0 else -parts[0]
        return unit(torch.stack([w * part for w, part in zip(weights, parts, strict=True)]).sum(0))

    def _gradients(self, image: Tensor, moved: tuple[float, float]) -> list[Tensor]:
        """Return the gradient of what each aim climbs, summed over the places.

        The sum's is as good as the mean's, since only its direction is kept.
        """
        aims, tiling = list(self.aims.values()), self._tiling(image)
        if tiling is not None:
            return tiled_gradients(self.network, aims, image, tiling, moved, self._wanted)
        image = image.detach().requires_grad_(True)
        found = self.network.activations(image, self.layers)
        gradients: list[Tensor] = []
        scaled = self.network.dtype == torch.float16
        for number, aim in enumerate(aims, start=1):
            activation, more = found[aim.layer], number < len(aims)
            wanted = self._wanted(aim, activation)
            gradients.append(pulled(activation, wanted, image, more, scaled))
        return gradients

    def _wanted(self, aim: Aim, activation: Tensor) -> Tensor:
        return aim.wanted(activation, self.exemplar, self.guidance)


def unit(gradient: Tensor) -> Tensor:
    """Scale a gradient to mean absolute value 1; one of all zeros stays so."""
    size = gradient.abs().mean()
    return gradient / size.clamp_min(torch.finfo(gradient.dtype).tiny)
