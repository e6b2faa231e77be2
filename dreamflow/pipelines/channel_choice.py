"""Settings whose channels are picked by a picture, such as `strongest 5`, and their picks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from dreamflow.core.schedules.keyframe_text import map_targets
from dreamflow.core.targets import CLASS_LAYER, Target, parse_target
from dreamflow.core.tensors import picture_to_tensor
from dreamflow.dream.objective.channel_picks import pick_channels
from dreamflow.dream.options import DreamOptions
from dreamflow.networks.classes import load_class_names, resolve_channels
from dreamflow.networks.network import Network

PickedChannels = dict[str, list[int]]
"""The channels of each pick, best first, by its target, such as `conv2/3x3:strongest 5`."""


def has_channel_picks(options: DreamOptions) -> bool:
    """Return whether some channels are to be picked by a picture."""
    return bool(find_channel_picks(options))


def find_channel_picks(options: DreamOptions) -> list[Target]:
    """Return the targets whose channels are to be picked, each once."""
    targets = (with_default_pick(target, options) for target in options.layers.targets)
    return list(dict.fromkeys(target for target in targets if target.pick))


def with_default_pick(target: Target, options: DreamOptions) -> Target:
    """Return a target; a whole layer gets the pick of `options.channels`, if that is given."""
    if target.is_whole_layer and target.layer != CLASS_LAYER:
        return replace(target, pick=options.channel_pick)
    return target


def make_channel_picks(
    options: DreamOptions, network: Network, picture: np.ndarray
) -> PickedChannels:
    """Return the channels that a picture picks.

    Args:
        options: Settings of the dream.
        network: The network.
        picture: uint8 (H, W, 3) RGB.

    Raises:
        SettingsError: The network lacks a layer, or the layer has too few channels.
    """
    image = picture_to_tensor(picture, network.device)
    picked: PickedChannels = {}
    for target in find_channel_picks(options):
        resolve_channels(network.name, network.all_layers, target)
        assert target.pick
        channels = pick_channels(network, target.layer, target.pick, image, options.seed)
        picked[str(target)] = list(channels)
    return picked


def apply_channel_picks(options: DreamOptions, picked: Mapping[str, list[int]]) -> DreamOptions:
    """Return settings whose channels are given by number; targets without a pick stay."""
    if not picked:
        return options

    def number_channels(target: Target) -> Target:
        channels = picked.get(str(with_default_pick(target, options)))
        return target if channels is None else Target(target.layer, tuple(sorted(channels)))

    return replace(options, layer=map_targets(options.layer, number_channels), channels=None)


def describe_channel_picks(network: Network, picked: Mapping[str, list[int]]) -> list[str]:
    """Return in words which channels were picked, one line for each pick."""
    lines: list[str] = []
    for name, channels in picked.items():
        target = parse_target(name)
        is_class = target.layer == CLASS_LAYER
        class_names = load_class_names(network.name) if is_class else ()
        words = [
            f"{number} {class_names[number]}" if class_names else str(number) for number in channels
        ]
        what = "classes" if is_class else f"channels of {target.layer}"
        lines.append(f"{target.pick} {what}: {', '.join(words)}")
    return lines
