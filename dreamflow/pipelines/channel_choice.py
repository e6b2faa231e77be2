"""Settings in which channels are yet to be picked by a picture, and the same with them picked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dreamflow.core.schedules.keyframes import map_targets
from dreamflow.core.targets import CLASS_LAYER, Target, parse_target
from dreamflow.core.tensors import picture_to_tensor
from dreamflow.dream.channel_picks import pick_channels
from dreamflow.dream.options import DreamOptions
from dreamflow.networks.classes import load_class_names, resolve_channels
from dreamflow.networks.network import Network

PickedChannels = dict[str, list[int]]
"""The channels of each pick, `LAYER:strongest 5`, the first choice first."""


def has_channel_picks(options: DreamOptions) -> bool:
    """Return whether some channels are yet to be picked."""
    return bool(find_channel_picks(options))


def find_channel_picks(options: DreamOptions) -> list[Target]:
    """Return the targets that are yet to be picked, each once."""
    found = (with_default_pick(target, options) for target in options.layers.targets)
    return list(dict.fromkeys(target for target in found if target.pick))


def with_default_pick(target: Target, options: DreamOptions) -> Target:
    """Return a target; of a whole layer, with the pick that is given for all of them."""
    if target.is_whole_layer and target.layer != CLASS_LAYER:
        return replace(target, pick=options.channel_pick)
    return target


def make_channel_picks(
    options: DreamOptions, network: Network, picture: np.ndarray
) -> PickedChannels:
    """Return the channels of all picks of some settings, for a uint8 (H, W, 3) RGB picture.

    Raises SettingsError for a layer that the network does not have, or has not so many channels.
    """
    image = picture_to_tensor(picture, network.device)
    found: PickedChannels = {}
    for target in find_channel_picks(options):
        resolve_channels(network.name, network.all_layers, target)
        assert target.pick
        chosen = pick_channels(network, target.layer, target.pick, image, options.seed)
        found[str(target)] = list(chosen)
    return found


def apply_channel_picks(options: DreamOptions, picked: PickedChannels) -> DreamOptions:
    """Return the settings with the channels by number; those that nothing is known of stay."""

    def number(target: Target) -> Target:
        channels = picked.get(str(with_default_pick(target, options)))
        return target if channels is None else Target(target.layer, tuple(sorted(channels)))

    if not picked:
        return options
    return replace(options, layer=map_targets(options.layer, number), channels=None)


def describe_channel_picks(network: Network, picked: PickedChannels) -> list[str]:
    """Return in words what was picked, a line each."""
    lines: list[str] = []
    for name, channels in picked.items():
        target = parse_target(name)
        names = load_class_names(network.name) if target.layer == CLASS_LAYER else ()
        words = [f"{number} {names[number]}" if names else str(number) for number in channels]
        what = "classes" if target.layer == CLASS_LAYER else f"channels of {target.layer}"
        lines.append(f"{target.pick} {what}: {', '.join(words)}")
    return lines
