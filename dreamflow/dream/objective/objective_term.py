"""One term of an objective: what is maximised in the activation of a layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor

from dreamflow.core.errors import SettingsError
from dreamflow.core.targets import CLASS_LAYER, Target
from dreamflow.dream.objective.reference import ReferenceFeatures
from dreamflow.networks.classes import resolve_channels
from dreamflow.networks.network import Network

FLOAT16_COTANGENT_PEAK = 256.0
"""Largest absolute value of a cotangent in a network that computes in float16, whose range ends at
65504. In GoogLeNet the largest gradient grew to 15 times the peak on its way back, and the mean
fell to a hundredth of it."""
MIN_COTANGENT_PEAK = 1e-30
"""Floor of the peak that a cotangent is scaled from: `scale = FLOAT16_COTANGENT_PEAK / peak`."""


@dataclass(frozen=True)
class ObjectiveTerm:
    """A layer, or some of its channels, as a term of an objective.

    It maximises the mean square of the activation; for classes the mean of their values before the
    softmax (Simonyan et al. 2013); towards a reference the dot product with the reference's
    best-matching feature vector at each position.

    Attributes:
        layer: Name of the layer.
        channels: Channels in rising order; empty for all.
    """

    layer: str
    channels: tuple[int, ...] = ()
    _index: Tensor | None = field(default=None, init=False, compare=False, repr=False)

    @classmethod
    def from_target(cls, network: Network, target: Target) -> ObjectiveTerm:
        """Return the term of a target, its channels indexed on the network's device.

        Raises:
            SettingsError: The network has no such layer, channel or class, or the channels are
                still to be picked by a picture.
        """
        channels = resolve_channels(network.name, network.all_layers, target)
        if target.pick:
            raise SettingsError(
                f"{target}: channels are picked by a picture; pick them first",
                setting="layer",
                value=str(target),
            )
        term = cls(target.layer, channels)
        if channels:
            index = torch.tensor(channels, device=network.device)
            object.__setattr__(term, "_index", index)
        return term

    def select_channels(self, activation: Tensor) -> Tensor:
        """Return the channels of the term, (1, c, h, w), of an activation (1, C, h, w)."""
        if not self.channels:
            return activation
        return activation.index_select(1, self._channel_index(activation))

    def cotangent(
        self, activation: Tensor, reference: ReferenceFeatures | None = None, guidance: float = 1.0
    ) -> Tensor:
        """Return the gradient of the term with respect to an activation.

        It is the gradient of a sum over positions, up to a constant factor: only its direction is
        used.

        Args:
            activation: (1, C, h, w) float32.
            reference: What is dreamed towards, if anything.
            guidance: Weight of the reference, from 0 to 1.

        Returns:
            (1, C, h, w) float32, zero in the channels that the term does not have.
        """
        activation = activation.detach()
        if self.layer == CLASS_LAYER:
            return torch.zeros_like(activation).index_fill(1, self._channel_index(activation), 1.0)
        own = activation
        if self.channels:
            index = self._channel_index(activation)
            own = torch.zeros_like(activation).index_copy(
                1, index, activation.index_select(1, index)
            )
        if reference is None or guidance == 0:
            return own
        index = self._channel_index(activation) if self.channels else None
        match = reference.best_matches(activation, self.layer, index)
        return match if guidance == 1 else own * (1 - guidance) + match * guidance

    def measure(
        self, activation: Tensor, reference: ReferenceFeatures | None, guidance: float
    ) -> Tensor:
        """Return what is maximised, as a mean over positions and channels: a () tensor."""
        return self.measure_map(activation, reference, guidance).mean()

    def measure_map(
        self, activation: Tensor, reference: ReferenceFeatures | None, guidance: float
    ) -> Tensor:
        """Return what is maximised at each position, as a mean over channels: (1, 1, h, w)."""
        values = self.select_channels(activation)
        if self.layer != CLASS_LAYER:
            cotangent = self.cotangent(activation, reference, guidance)
            values = values * self.select_channels(cotangent)
        return values.mean(1, keepdim=True)

    def _channel_index(self, activation: Tensor) -> Tensor:
        """Return the channels as a tensor (c,) on an activation's device."""
        if self._index is None:
            return torch.tensor(self.channels, device=activation.device)
        return self._index


class _InjectCotangent(torch.autograd.Function):
    """Returns 0, and back-propagates a given cotangent to an activation."""

    @staticmethod
    def forward(ctx: Any, activation: Tensor, cotangent: Tensor) -> Tensor:
        ctx.save_for_backward(cotangent)
        return activation.new_zeros(())

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> tuple[Tensor, None]:
        return ctx.saved_tensors[0], None


def vjp(
    activation: Tensor, cotangent: Tensor, image: Tensor, retain_graph: bool, rescale: bool = False
) -> Tensor:
    """Return the vector-Jacobian product of an activation with respect to its image.

    `torch.autograd.grad` with `grad_outputs` would import sympy, which takes 0.3 s; the gradient
    of a scalar does not.

    Args:
        activation: (1, C, h, w), computed from the image.
        cotangent: (1, C, h, w).
        image: (1, 3, H, W) that requires gradients.
        retain_graph: Whether the graph is needed again.
        rescale: Whether the cotangent is scaled into the range of float16 on its way back. An
            activation that exceeds that range gives a gradient that is not finite; see
            `check_finite`.

    Returns:
        (1, 3, H, W).
    """
    if rescale:
        peak = cotangent.abs().amax()
        # Where nothing responds the peak is 0, and an infinite scale would give NaN.
        scale = FLOAT16_COTANGENT_PEAK / peak.clamp_min(MIN_COTANGENT_PEAK)
        return vjp(activation, cotangent * scale, image, retain_graph) / scale
    injected = cast(Tensor, _InjectCotangent.apply(activation, cotangent))
    (gradient,) = torch.autograd.grad(injected, image, retain_graph=retain_graph)
    return gradient
