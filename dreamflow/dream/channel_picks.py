"""Channels picked by how they respond to a picture."""

from __future__ import annotations

import random

import torch
from torch import Tensor

from dreamflow.core.errors import SettingsError
from dreamflow.core.targets import CLASS_LAYER, ChannelPick
from dreamflow.dream.octaves import resize
from dreamflow.networks.network import Network

MAX_RESPONSE_SIDE_PX = 640
"""Longer side, at most, of the picture that is looked at."""


@torch.no_grad()
def measure_channel_responses(network: Network, layer: str, image: Tensor) -> Tensor:
    """Return how strongly each channel of a layer responds to an image (1, 3, H, W), float32 (C,).

    It is the mean square, which is what a dream climbs; of classes, their mean before the softmax.
    """
    height, width = image.shape[2:]
    scale = min(1.0, MAX_RESPONSE_SIDE_PX / max(height, width))
    seen = resize(image, (max(1, round(height * scale)), max(1, round(width * scale)))).clamp(0, 1)
    if min(seen.shape[2:]) < network.layer(layer).smallest:
        seen = image
    found = network.activations(seen, (layer,))[layer][0].flatten(1)
    return found.mean(1) if layer == CLASS_LAYER else found.square().mean(1)


def pick_channels(
    network: Network, layer: str, pick: ChannelPick, image: Tensor, seed: int
) -> tuple[int, ...]:
    """Return the channels picked, the first choice first.

    Channels that do not respond at all are never picked: there would be nothing to climb. Raises
    SettingsError where too few respond.
    """
    found = measure_channel_responses(network, layer, image).tolist()
    there = [number for number, value in enumerate(found) if value > 0 or layer == CLASS_LAYER]
    if len(there) < pick.count:
        raise SettingsError(
            f"only {len(there)} channels of {layer} respond to the picture: {pick} is too many"
        )
    if pick.kind == "random":
        return tuple(random.Random(f"{seed} {layer}").sample(there, pick.count))
    order = sorted(there, key=lambda number: found[number], reverse=pick.kind == "strongest")
    return tuple(order[: pick.count])
