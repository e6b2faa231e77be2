"""The function that a dream maximises: a weighted sum over layers, channels and classes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor

from dreamflow.core.errors import NoResponseWarning, SettingsError, named
from dreamflow.core.imaging.arrays import image_size
from dreamflow.core.imaging.filters import resize_area
from dreamflow.core.targets import CLASS_LAYER, Blend, Target, parse_blend
from dreamflow.dream.objective.objective_term import ObjectiveTerm, vjp
from dreamflow.dream.objective.reference import ReferenceFeatures
from dreamflow.dream.tiles import Tiling, choose_tiling, tiled_gradients, tiled_means
from dreamflow.networks.network import Network

MIN_GRADIENT_NORM = 1e-12
"""Floor of the norm of a gradient that is divided by: below it nothing responds."""


@dataclass(frozen=True)
class Objective:
    """The weighted mean squares of some activations of a network.

    Google's 2015 notebook maximises the L2 norm of a layer; taken as a mean, its value does not
    depend on the size of the picture. Negative weights minimise, down to a response of 0 (see
    `gradient`). See `ObjectiveTerm` for channels, classes and references.

    Attributes:
        network: The network, on the device where images are.
        blend: What is maximised, and with which weights.
        reference: Features to dream towards, if any.
        guidance: Weight of the reference, from 0 to 1.
        terms: The term of each target of the blend.

    Raises:
        SettingsError: The network does not have a target, or the reference is too small for it.
    """

    network: Network
    blend: Blend
    reference: ReferenceFeatures | None = None
    guidance: float = 1.0
    terms: dict[Target, ObjectiveTerm] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        terms = {t: ObjectiveTerm.from_target(self.network, t) for t in self.blend.targets}
        object.__setattr__(self, "terms", terms)
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
        """Return the objective of `NAME` or `NAME=WEIGHT` texts; see `Objective`."""
        return cls(network, parse_blend(layers), reference, guidance)

    @property
    def device(self) -> torch.device:
        """The device where images must be."""
        return self.network.device

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers of all terms, each once."""
        return tuple(dict.fromkeys(term.layer for term in self.terms.values()))

    @property
    def stride(self) -> int:
        """Image pixels per position of the coarsest layer; 0 where there is one for all."""
        return max(self.network.layer(name).stride for name in self.layers)

    @property
    def min_side_px(self) -> int:
        """The smallest side in pixels of an image that reaches all layers."""
        return max(self.network.layer(name).smallest for name in self.layers)

    def value(self, image: Tensor) -> float:
        """Return the objective of an image (1, 3, H, W), read back to the host; see `measure`."""
        return float(self.measure(image))

    @torch.no_grad()
    def measure(self, image: Tensor) -> Tensor:
        """Return the objective of an image as a () tensor on its device.

        It is computed in tiles where one pass would exceed the machine's memory limit, as
        `gradient` is.

        Args:
            image: (1, 3, H, W) float32 RGB in [0, 1].
        """
        terms, tiling = list(self.terms.values()), self._choose_tiling(image)
        if tiling is not None:
            values = tiled_means(self.network, terms, image, tiling, self._measure_term)
        else:
            activations = self.network.activations(image, self.layers)
            values = [self._measure_term(term, activations[term.layer]) for term in terms]
        weights = self.blend.weights.values()
        return torch.stack([w * value for w, value in zip(weights, values, strict=True)]).sum()

    @torch.no_grad()
    def measure_map(self, image: Tensor) -> Tensor | None:
        """Return the objective at each position of the coarsest layer, (1, 1, h, w).

        Its mean is that of `measure`. None where one pass would exceed the machine's memory limit.

        Args:
            image: (1, 3, H, W) float32 RGB in [0, 1].
        """
        if self._choose_tiling(image) is not None:
            return None
        activations = self.network.activations(image, self.layers)
        maps = [
            weight
            * term.measure_map(activations[term.layer], self.reference, self.guidance).float()
            for term, weight in zip(self.terms.values(), self.blend.weights.values(), strict=True)
        ]
        coarsest = min((image_size(part) for part in maps), key=lambda size: size[0] * size[1])
        return torch.stack([resize_area(part, coarsest) for part in maps]).sum(0)

    def measure_gain(self, image: Tensor, source: Tensor) -> tuple[Tensor | None, Tensor]:
        """Return how much more of the objective an image has than its source.

        Args:
            image: (1, 3, H, W) float32 RGB in [0, 1].
            source: Alike.

        Returns:
            (the gain at each position of the coarsest layer, (1, 1, h, w), or None where one pass
            would exceed the machine's memory limit; its mean, a () tensor).
        """
        after, before = self.measure_map(image), self.measure_map(source)
        if after is None or before is None:
            return None, self.measure(image) - self.measure(source)
        gain = after - before
        return gain, gain.mean()

    def gradient(
        self,
        image: Tensor,
        tile_shift: tuple[float, float] = (0.0, 0.0),
        step: float | None = None,
    ) -> Tensor:
        """Return the direction of ascent for an image, of mean absolute value 1.

        The gradient of each term is scaled to mean absolute value 1 before it is weighted, because
        the scales of layers differ by orders of magnitude; so is the sum. It is zero where nothing
        responds.

        A response that is minimised ends at 0, and its gradient with it: at full size, what is left
        of that gradient is noise in a few places. With a `step` the part of a negative weight is no
        larger than the step that brings the response to 0 if it is linear (Polyak 1963),
        E / |g|^2 * g for E = sum(a^2) / 2; the mean absolute value is then below 1.

        Args:
            image: (1, 3, H, W) float32 RGB in [0, 1].
            tile_shift: Shift of the tiles' borders (down, across), from -1 to 1, where the image is
                taken in tiles; see `Tiling.tiles`.
            step: Mean absolute change that the direction is multiplied by, of full scale; None
                leaves negative weights unbounded.

        Returns:
            (1, 3, H, W) float32.
        """
        weights = list(self.blend.weights.values())
        energies: list[Tensor] | None = None
        if step is not None and min(weights) <= 0:
            energies = [torch.zeros((), device=image.device) for _ in self.terms]
        gradients = self._term_gradients(image, tile_shift, energies)
        parts = [normalise_gradient(gradient) for gradient in gradients]
        if len(parts) == 1 and energies is None:
            return parts[0] if weights[0] > 0 else -parts[0]
        weighted = [w * part for w, part in zip(weights, parts, strict=True)]
        total = torch.stack(weighted).sum(0)
        if step is None or energies is None:
            return normalise_gradient(total)
        scale = 1 / total.abs().mean().clamp_min(torch.finfo(total.dtype).tiny)
        for number, term in enumerate(self.terms.values()):
            if weights[number] < 0 and self._ends_at_zero(term):
                planned = weighted[number] * (scale * step)
                limit = energies[number] / _measure_norm(gradients[number])
                share = limit / _measure_norm(planned)
                weighted[number] = weighted[number] * share.clamp_max(1.0)
        return scale * torch.stack(weighted).sum(0)

    def _ends_at_zero(self, term: ObjectiveTerm) -> bool:
        """Return whether a term is a mean square; values of classes and products have no end."""
        return term.layer != CLASS_LAYER and (self.reference is None or self.guidance == 0)

    def warn_if_unchanged(self, image: Tensor, dreamed: Tensor) -> bool:
        """Warn if a dream equals the image that it started from, and return whether it does.

        Raises:
            SettingsError: The dream is not finite; see `check_finite`.
        """
        self.check_finite(dreamed)
        is_unchanged = torch.equal(image, dreamed)
        if is_unchanged:
            warnings.warn(
                f"nothing of {self.blend} responds to the picture: it stays as it is",
                NoResponseWarning,
                3,
            )
        return is_unchanged

    def check_finite(self, dreamed: Tensor) -> None:
        """Raise SettingsError if activations overflowed float16, which leaves NaN in a dream.

        It reads back one number from the device, so it is for the end of a dream, not for a step.
        """
        if self.network.dtype == torch.float16 and not bool(torch.isfinite(dreamed).all()):
            raise SettingsError(
                "what this network computes is too large for float16: give "
                f"{named('precision')} bfloat16",
                setting="precision",
                value="float16",
                allowed="bfloat16 or float32",
            )

    def _choose_tiling(self, image: Tensor) -> Tiling | None:
        height, width = image.shape[2:]
        max_bytes = self.network.machine.memory_limit
        return choose_tiling(self.network, self.layers, height, width, max_bytes)

    def _term_gradients(
        self, image: Tensor, tile_shift: tuple[float, float], energies: list[Tensor] | None
    ) -> list[Tensor]:
        """Return the gradient of each term's sum over positions, (1, 3, H, W) each.

        Args:
            image: (1, 3, H, W) float32 RGB in [0, 1].
            tile_shift: Shift of the tiles' borders.
            energies: A () tensor for each term, to which half the sum of its squares is added;
                None where they are not wanted.
        """
        terms, tiling = list(self.terms.values()), self._choose_tiling(image)

        def cotangent_of(term: ObjectiveTerm, activation: Tensor) -> Tensor:
            cotangent = term.cotangent(activation, self.reference, self.guidance)
            if energies is not None:
                energies[terms.index(term)] += cotangent.square().sum() / 2
            return cotangent

        if tiling is not None:
            return tiled_gradients(self.network, terms, image, tiling, tile_shift, cotangent_of)
        image = image.detach().requires_grad_(True)
        activations = self.network.activations(image, self.layers)
        rescale = self.network.dtype == torch.float16
        gradients: list[Tensor] = []
        for number, term in enumerate(terms, start=1):
            activation, is_last = activations[term.layer], number == len(terms)
            cotangent = cotangent_of(term, activation)
            gradients.append(vjp(activation, cotangent, image, not is_last, rescale))
        return gradients

    def _measure_term(self, term: ObjectiveTerm, activation: Tensor) -> Tensor:
        return term.measure(activation, self.reference, self.guidance)


def _measure_norm(gradient: Tensor) -> Tensor:
    norm = cast(Tensor, torch.linalg.vector_norm(gradient))
    return norm.clamp_min(MIN_GRADIENT_NORM)


def normalise_gradient(gradient: Tensor) -> Tensor:
    """Return a gradient scaled to mean absolute value 1; one of all zeros stays so."""
    size = gradient.abs().mean()
    return gradient / size.clamp_min(torch.finfo(gradient.dtype).tiny)
