"""What a dream climbs towards: a weighted set of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dreamflow.blend import parse_layers
from dreamflow.dream.tiles import Tiling, choose_tiling, tiled_gradients, tiled_mean_squares
from dreamflow.memory import pass_memory
from dreamflow.networks.network import Network


@dataclass(frozen=True)
class Objective:
    """The mean square of some layers of a network, each with a weight.

    It is what Google's 2015 notebook climbs (the L2 norm of a blob), taken as a mean, so that its
    value does not depend on the picture's size. Negative weights dream a layer away.
    """

    network: Network
    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        for name in self.weights:
            self.network.layer(name)

    @classmethod
    def of(cls, network: Network, layers: Sequence[str]) -> Objective:
        """Return the objective of `NAME` or `NAME=WEIGHT` texts."""
        return cls(network, parse_layers(layers))

    @property
    def device(self) -> torch.device:
        """Where images must be."""
        return self.network.device

    @property
    def smallest(self) -> int:
        """The least side in pixels of a picture that all layers can see."""
        return max(self.network.layer(name).smallest for name in self.weights)

    @torch.no_grad()
    def value(self, image: Tensor) -> float:
        """Return the weighted sum of each layer's mean square for an image (1, 3, H, W).

        Tile by tile where a pass would take too much memory, as `gradient` is.
        """
        tiling = self._tiling(image)
        if tiling is not None:
            squares = tiled_mean_squares(self.network, tuple(self.weights), image, tiling)
        else:
            found = self.network.activations(image, self.weights)
            squares = [float(found[name].square().mean()) for name in self.weights]
        return sum(w * square for w, square in zip(self.weights.values(), squares, strict=True))

    def _tiling(self, image: Tensor) -> Tiling | None:
        height, width = image.shape[2:]
        memory = pass_memory(image.device)
        return choose_tiling(self.network, tuple(self.weights), height, width, memory)

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
        """Return the gradient of half the sum of squares of each layer.

        The sum's is as good as the mean's, since only its direction is kept.
        """
        names = tuple(self.weights)
        tiling = self._tiling(image)
        if tiling is not None:
            return tiled_gradients(self.network, names, image, tiling, moved)
        image = image.detach().requires_grad_(True)
        found = self.network.activations(image, names)
        gradients: list[Tensor] = []
        for name in names:
            (gradient,) = torch.autograd.grad(
                found[name],
                image,
                grad_outputs=found[name].detach(),
                retain_graph=name != names[-1],
            )
            gradients.append(gradient)
        return gradients


def unit(gradient: Tensor) -> Tensor:
    """Scale a gradient to mean absolute value 1; one of all zeros stays so."""
    size = gradient.abs().mean()
    return gradient / size.clamp_min(torch.finfo(gradient.dtype).tiny)
