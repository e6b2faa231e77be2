"""One part of an objective, as it is computed: what is asked of the activations of a layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dreamflow.core.errors import SettingsError
from dreamflow.core.targets import CLASS_LAYER, parse_target
from dreamflow.dream.reference import ReferenceFeatures
from dreamflow.networks.classes import resolve_channels
from dreamflow.networks.network import Network


@dataclass(frozen=True)
class ObjectiveTerm:
    """A layer, and which of its channels; none are all.

    What is climbed is the mean square of the activations; of classes, the mean of their values
    before the softmax (Simonyan et al. 2013); with a guide, the dot product with what fits best.
    """

    layer: str
    channels: tuple[int, ...] = ()

    @classmethod
    def from_target(cls, network: Network, name: str) -> ObjectiveTerm:
        """Return the aim that a target's name means. Raises SettingsError for what there is not."""
        target = parse_target(name)
        channels = resolve_channels(network.name, network.all_layers, target)
        if target.pick:
            raise SettingsError(f"{name}: channels are picked by a picture; pick them first")
        return cls(target.layer, channels)

    def select_channels(self, activation: Tensor) -> Tensor:
        """Return the channels aimed at, (1, c, h, w), of an activation (1, C, h, w)."""
        return activation[:, list(self.channels)] if self.channels else activation

    def cotangent(
        self, activation: Tensor, reference: ReferenceFeatures | None = None, guidance: float = 1.0
    ) -> Tensor:
        """Return the gradient of what is climbed, at each place, for an activation (1, C, h, w).

        It is that of a sum over the places: only its direction is kept. guidance: from 0, as
        without a guide, to 1.
        """
        activation = activation.detach()
        if self.layer == CLASS_LAYER:
            out = torch.zeros_like(activation)
            out[:, list(self.channels)] = 1
            return out
        own = activation
        if self.channels:
            own = torch.zeros_like(activation)
            own[:, list(self.channels)] = self.select_channels(activation)
        if reference is None or guidance == 0:
            return own
        match = reference.best_matches(activation, self.layer, self.channels)
        return match if guidance == 1 else own * (1 - guidance) + match * guidance

    def measure(
        self, activation: Tensor, reference: ReferenceFeatures | None, guidance: float
    ) -> Tensor:
        """Return what is maximised as a mean over positions and channels, a () tensor."""
        if self.layer == CLASS_LAYER:
            return self.select_channels(activation).mean()
        cotangent = self.cotangent(activation, reference, guidance)
        return (self.select_channels(activation) * self.select_channels(cotangent)).mean()


class _InjectCotangent(torch.autograd.Function):
    """A number, of no account, of which an activation's gradient is what it is wanted to be."""

    @staticmethod
    def forward(ctx: Any, activation: Tensor, cotangent: Tensor) -> Tensor:
        ctx.save_for_backward(cotangent)
        return activation.new_zeros(())

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> tuple[Tensor, None]:
        return ctx.saved_tensors[0], None


FLOAT16_COTANGENT_PEAK = 256.0
"""What is pulled with most is brought to this where a network computes in float16. Through
googlenet the largest gradient grew to 15 times it, and the mean fell to a hundredth."""
MIN_COTANGENT_PEAK = 1e-30
"""What is less than this is not scaled up as far."""


def vjp(
    activation: Tensor, cotangent: Tensor, image: Tensor, retain_graph: bool, rescale: bool = False
) -> Tensor:
    """Return the gradient of an image that moves its activation by what is wanted, in its shape.

    keep: whether the graph is needed again. scaled: it goes through numbers of a small range, and
    is scaled for them, there and back; raises SettingsError where they did not hold the activation.
    To be given `grad_outputs` torch imports sympy, which takes 0.3 s; the gradient of a number it
    finds without.
    """
    if rescale:
        most = cotangent.abs().amax()
        if not bool(torch.isfinite(most)):
            raise SettingsError(
                "what this network computes is too large for float16: give --precision bfloat16"
            )
        # Where nothing responds it is 0, and a scale without end would make NaN of it.
        scale = FLOAT16_COTANGENT_PEAK / most.clamp_min(MIN_COTANGENT_PEAK)
        return vjp(activation, cotangent * scale, image, retain_graph) / scale
    pull = _InjectCotangent.apply(activation, cotangent)
    (gradient,) = torch.autograd.grad(pull, image, retain_graph=retain_graph)
    return gradient
