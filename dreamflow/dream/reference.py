"""A picture whose features are dreamed into another: the guide of Google's 2015 notebook.

There the objective is, at each place of a layer, the dot product with that feature vector of the
guide's which fits best what is there: what resembles the guide a little comes to resemble it more.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from dreamflow.core.errors import SettingsError
from dreamflow.core.targets import CLASS_LAYER
from dreamflow.networks.network import Network

MAX_REFERENCE_VECTORS = 2048
"""Of a guide's places, so many are compared with at most, evenly taken."""
DOT_PRODUCTS_PER_CHUNK = 1 << 22
"""Dot products held at a time: 16 MB."""


class ReferenceFeatures:
    """A guide's feature vectors, layer by layer, computed when they are first asked for."""

    def __init__(self, network: Network, image: Tensor, name: str = "the guide") -> None:
        """image: float32 (1, 3, H, W), RGB in [0, 1]. name: how errors call it."""
        self.network, self.image, self.name = network, image, name
        self._vectors: dict[str, Tensor] = {}

    def check_size(self, layers: Iterable[str]) -> None:
        """Raise SettingsError where the guide is too small for one of some layers."""
        height, width = self.image.shape[2:]
        for layer in layers:
            smallest = self.network.layer(layer).smallest
            if layer != CLASS_LAYER and min(height, width) < smallest:
                raise SettingsError(
                    f"{self.name} has {width}x{height} pixels, which is too small for {layer}: "
                    f"it needs {smallest} a side; give a larger picture, or a shallower layer"
                )

    @torch.no_grad()
    def feature_vectors(self, layer: str) -> Tensor:
        """Return the feature vectors of a layer, float32 (places, channels).

        Raises SettingsError where the guide is too small for the layer.
        """
        if layer not in self._vectors:
            self.check_size((layer,))
            found = self.network.activations(self.image, (layer,))[layer][0]
            places = found.flatten(1).T
            every = -(-places.shape[0] // MAX_REFERENCE_VECTORS)
            self._vectors[layer] = places[::every].contiguous()
        return self._vectors[layer]

    @torch.no_grad()
    def best_matches(self, activation: Tensor, layer: str, channels: tuple[int, ...]) -> Tensor:
        """Return for each place of an activation (1, C, h, w) the guide's vector that fits best.

        channels: those that are compared; none for all. Others are 0 in the result.
        """
        vectors = self.feature_vectors(layer)
        taken = list(channels) or slice(None)
        ours, theirs = activation[0].detach().flatten(1).T[:, taken], vectors[:, taken]
        rows = max(1, DOT_PRODUCTS_PER_CHUNK // theirs.shape[0])
        best = torch.cat([(part @ theirs.T).argmax(1) for part in ours.split(rows)])
        out = torch.zeros_like(activation, memory_format=torch.contiguous_format)
        out[0].flatten(1)[taken] = theirs[best].T
        return out
