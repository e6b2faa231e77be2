"""Features of a picture that another one is dreamed towards: the guide of Google's 2015 notebook.

There the objective is, at each position of a layer, the dot product with the feature vector of the
reference that has the largest dot product with the activation: what resembles the reference a
little comes to resemble it more.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from dreamflow.core.errors import SettingsError
from dreamflow.core.targets import CLASS_LAYER
from dreamflow.networks.network import Network

MAX_REFERENCE_VECTORS = 2048
"""Most positions of the reference that are compared with, evenly subsampled."""
DOT_PRODUCTS_PER_CHUNK = 1 << 22
"""Dot products held at a time: 16 MB in float32."""


class ReferenceFeatures:
    """Feature vectors of a reference picture by layer, computed when they are first needed."""

    def __init__(self, network: Network, image: Tensor, name: str = "the guide") -> None:
        """Keep a reference picture.

        Args:
            network: The network that computes the features.
            image: (1, 3, H, W) float32 RGB in [0, 1], on the network's device.
            name: How errors call it.
        """
        self.network, self.image, self.name = network, image, name
        self._vectors: dict[str, Tensor] = {}

    def check_size(self, layers: Iterable[str]) -> None:
        """Raise SettingsError if the picture is too small for one of some layers."""
        height, width = self.image.shape[2:]
        for layer in layers:
            min_side = self.network.layer(layer).smallest
            if layer != CLASS_LAYER and min(height, width) < min_side:
                raise SettingsError(
                    f"{self.name} has {width}x{height} pixels, which is too small for {layer}: "
                    f"it needs {min_side} a side; give a larger picture, or a shallower layer",
                    setting="guided_by",
                    value=self.name,
                    allowed=f"at least {min_side} pixels a side",
                )

    @torch.no_grad()
    def feature_vectors(self, layer: str) -> Tensor:
        """Return the feature vectors of a layer, (positions, channels) float32.

        Raises:
            SettingsError: The picture is too small for the layer.
        """
        if layer not in self._vectors:
            self.check_size((layer,))
            activation = self.network.activations(self.image, (layer,))[layer][0]
            vectors = activation.flatten(1).T
            every = -(-vectors.shape[0] // MAX_REFERENCE_VECTORS)
            self._vectors[layer] = vectors[::every].contiguous()
        return self._vectors[layer]

    @torch.no_grad()
    def best_matches(self, activation: Tensor, layer: str, channels: Tensor | None) -> Tensor:
        """Return the best-matching feature vector for each position of an activation.

        Args:
            activation: (1, C, h, w) float32 of the layer.
            layer: Name of the layer.
            channels: (c,) indices of the channels that are compared; None for all.

        Returns:
            (1, C, h, w) float32, zero in channels that are not compared.
        """
        vectors = self.feature_vectors(layer)
        positions = activation[0].detach().flatten(1).T
        if channels is not None:
            vectors, positions = (
                vectors.index_select(1, channels),
                positions.index_select(1, channels),
            )
        rows = max(1, DOT_PRODUCTS_PER_CHUNK // vectors.shape[0])
        parts = torch.split(positions, rows)
        best = torch.cat([(part @ vectors.T).argmax(1) for part in parts])
        matches = vectors.index_select(0, best).T
        if channels is not None:
            full = activation.new_zeros(activation.shape[1], matches.shape[1])
            matches = full.index_copy(0, channels, matches)
        return matches.reshape(activation.shape)
