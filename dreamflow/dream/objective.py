"""What a dream climbs towards: a weighted set of layers, channels and classes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from dreamflow.core.blend import parse_blend
from dreamflow.core.errors import DreamFlowWarning
from dreamflow.dream.objective_term import ObjectiveTerm, vjp
from dreamflow.dream.reference import ReferenceFeatures
from dreamflow.dream.tiles import Tiling, choose_tiling, tiled_gradients, tiled_means
from dreamflow.networks.network import Network


@dataclass(frozen=True)
class Objective:
    """The mean square of some layers of a network, each with a weight.

    It is what Google's 2015 notebook climbs (the L2 norm of a blob), taken as a mean, so that its
    value does not depend on the picture's size. Negative weights dream a layer away. Instead of a
    layer there may be some channels of one, or classes (`dreamflow.core.targets`).

    exemplar: the guide, if there is one: layers are dreamed towards it, with as much of `guidance`,
    from 0 to 1. Raises SettingsError for a target that the network does not have.
    """

    network: Network
    weights: Mapping[str, float]
    reference: ReferenceFeatures | None = None
    guidance: float = 1.0
    terms: dict[str, ObjectiveTerm] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        aims = {name: ObjectiveTerm.from_target(self.network, name) for name in self.weights}
        object.__setattr__(self, "terms", aims)
        if self.reference:
            self.reference.check_size(self.layers)

    @classmethod
    def parse(
        cls,
        network: Network,
        layers: Sequence[str],
        reference: ReferenceFeatures | None = None,
        guidance: float = 1.0,
    ) -> Objective:
        """Return the objective of `NAME` or `NAME=WEIGHT` texts."""
        return cls(network, parse_blend(layers), reference, guidance)

    @property
    def device(self) -> torch.device:
        """Where images must be."""
        return self.network.device

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that are looked at, each once."""
        return tuple(dict.fromkeys(aim.layer for aim in self.terms.values()))

    @property
    def min_side_px(self) -> int:
        """The least side in pixels of a picture that all layers can see."""
        return max(self.network.layer(name).smallest for name in self.layers)

    def value(self, image: Tensor) -> float:
        """Return the objective of an image (1, 3, H, W) on the host; see `measure`."""
        return float(self.measure(image))

    @torch.no_grad()
    def measure(self, image: Tensor) -> Tensor:
        """Return the objective of an image (1, 3, H, W): a () tensor on the compute device.

        It is the weighted sum of each layer's mean square; of classes their mean before the softmax,
        and towards a reference the mean product. It is computed tile by tile where a pass would take
        too much memory, as `gradient` is.
        """
        aims, tiling = list(self.terms.values()), self._choose_tiling(image)
        if tiling is not None:
            values = tiled_means(self.network, aims, image, tiling, self._measure_term)
        else:
            found = self.network.activations(image, self.layers)
            values = [self._measure_term(aim, found[aim.layer]) for aim in aims]
        weighted = [w * value for w, value in zip(self.weights.values(), values, strict=True)]
        return torch.stack(weighted).sum()

    def _measure_term(self, aim: ObjectiveTerm, activation: Tensor) -> Tensor:
        return aim.measure(activation, self.reference, self.guidance)

    def _choose_tiling(self, image: Tensor) -> Tiling | None:
        height, width = image.shape[2:]
        max_bytes = self.network.machine.memory_limit
        return choose_tiling(self.network, self.layers, height, width, max_bytes)

    def warn_if_unchanged(self, image: Tensor, dreamed: Tensor) -> bool:
        """Warn where a dream is the very picture that it began with; return whether it is."""
        silent = torch.equal(image, dreamed)
        if silent:
            warnings.warn(
                f"nothing of {' + '.join(self.weights)} responds to the picture: it stays as it is",
                DreamFlowWarning,
                3,
            )
        return silent

    def gradient(self, image: Tensor, tile_shift: tuple[float, float] = (0.0, 0.0)) -> Tensor:
        """Return the direction to climb for an image (1, 3, H, W), of mean absolute value 1.

        Each layer's gradient is brought to mean absolute value 1 before it is weighted, since the
        layers' scales differ by orders of magnitude; so is the sum. Zero where nothing responds.

        A pass that would take too much memory (`dreamflow.core.machine.memory`) is made tile by tile. moved:
        how far the tiles' borders are shifted, (down, across), from -1 to 1.
        """
        parts = [
            normalise_gradient(gradient) for gradient in self._term_gradients(image, tile_shift)
        ]
        weights = list(self.weights.values())
        if len(parts) == 1:
            return parts[0] if weights[0] > 0 else -parts[0]
        return normalise_gradient(
            torch.stack([w * part for w, part in zip(weights, parts, strict=True)]).sum(0)
        )

    def _term_gradients(self, image: Tensor, tile_shift: tuple[float, float]) -> list[Tensor]:
        """Return the gradient of what each aim climbs, summed over the places.

        The sum's is as good as the mean's, since only its direction is kept.
        """
        aims, tiling = list(self.terms.values()), self._choose_tiling(image)
        if tiling is not None:
            return tiled_gradients(self.network, aims, image, tiling, tile_shift, self._cotangent)
        image = image.detach().requires_grad_(True)
        found = self.network.activations(image, self.layers)
        gradients: list[Tensor] = []
        scaled = self.network.dtype == torch.float16
        for number, aim in enumerate(aims, start=1):
            activation, more = found[aim.layer], number < len(aims)
            wanted = self._cotangent(aim, activation)
            gradients.append(vjp(activation, wanted, image, more, scaled))
        return gradients

    def _cotangent(self, aim: ObjectiveTerm, activation: Tensor) -> Tensor:
        return aim.cotangent(activation, self.reference, self.guidance)


def normalise_gradient(gradient: Tensor) -> Tensor:
    """Scale a gradient to mean absolute value 1; one of all zeros stays so."""
    size = gradient.abs().mean()
    return gradient / size.clamp_min(torch.finfo(gradient.dtype).tiny)
