"""Channels picked by their response to a picture."""

from __future__ import annotations

import random
from typing import cast

import torch
from torch import Tensor

from dreamflow.core.errors import SettingsError
from dreamflow.core.targets import CLASS_LAYER, ChannelPick
from dreamflow.dream.octaves import resize
from dreamflow.networks.network import Network

MAX_RESPONSE_SIDE_PX = 640
"""Longer side at which responses are measured, at most."""


@torch.no_grad()
def measure_channel_responses(network: Network, layer: str, image: Tensor) -> Tensor:
    """Return the response of each channel of a layer to an image.

    It is the mean square, which a dream maximises; for classes, the mean before the softmax.

    Args:
        network: The network.
        layer: Name of the layer.
        image: (1, 3, H, W) float32 RGB in [0, 1].

    Returns:
        (C,) float32.
    """
    height, width = image.shape[2:]
    scale = min(1.0, MAX_RESPONSE_SIDE_PX / max(height, width))
    size = (max(1, round(height * scale)), max(1, round(width * scale)))
    small = resize(image, size).clamp(0, 1)
    if min(size) < network.layer(layer).smallest:
        small = image
    activation = network.activations(small, (layer,))[layer][0].flatten(1)
    return activation.mean(1) if layer == CLASS_LAYER else activation.square().mean(1)


def pick_channels(
    network: Network, layer: str, pick: ChannelPick, image: Tensor, seed: int
) -> tuple[int, ...]:
    """Return the channels of a pick, the first choice first.

    Channels that do not respond at all are never picked, because they have no gradient.

    Args:
        network: The network.
        layer: Name of the layer.
        pick: How many channels, and which.
        image: (1, 3, H, W) float32 RGB in [0, 1].
        seed: Seed of random picks.

    Raises:
        SettingsError: Fewer channels respond than are to be picked.
    """
    responses = cast("list[float]", measure_channel_responses(network, layer, image).tolist())
    candidates = [n for n, value in enumerate(responses) if value > 0 or layer == CLASS_LAYER]
    if len(candidates) < pick.count:
        raise SettingsError(
            f"only {len(candidates)} channels of {layer} respond to the picture: {pick} is too "
            "many",
            setting="layer",
            value=f"{layer}:{pick}",
            allowed=f"at most {len(candidates)} channels",
        )
    if pick.kind == "random":
        return tuple(random.Random(f"{seed} {layer}").sample(candidates, pick.count))
    order = sorted(candidates, key=lambda n: responses[n], reverse=pick.kind == "strongest")
    return tuple(order[: pick.count])
