"""Settings in which channels are yet to be picked by a picture, and the same with them picked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dreamflow.dream.pick import pick_channels
from dreamflow.journeys.edge import to_image
from dreamflow.networks import Network
from dreamflow.networks.classes import channels_of, class_names
from dreamflow.options import DreamOptions
from dreamflow.schedule import map_layers, targets_in
from dreamflow.target import CLASS, Pick, Target, parse_target

Picked = dict[str, list[int]]
"""The channels of each pick, `LAYER:strongest 5`, the first choice first."""


def wants_picture(options: DreamOptions) -> bool:
    """Return whether some channels are yet to be picked."""
    return bool(picks(options))


def picks(options: DreamOptions) -> list[str]:
    """Return the targets that are yet to be picked, each once."""
    found = (with_pick(name, options) for name in targets_in(options.layer))
    return list(dict.fromkeys(str(target) for target in found if target.pick))


def with_pick(name: str, options: DreamOptions) -> Target:
    """Return a target; of a whole layer, with the pick that is given for all of them."""
    target = parse_target(name)
    if target.whole and target.layer != CLASS and options.channels:
        return replace(target, pick=Pick.parse(options.channels))
    return target


def pick(options: DreamOptions, network: Network, picture: np.ndarray) -> Picked:
    """Return the channels of all picks of some settings, for a uint8 (H, W, 3) RGB picture.

    Raises SettingsError for a layer that the network does not have, or has not so many channels.
    """
    image = to_image(picture, network.device)
    found: Picked = {}
    for name in picks(options):
        target = parse_target(name)
        channels_of(network.name, network.all_layers, target)
        assert target.pick
        chosen = pick_channels(network, target.layer, target.pick, image, options.seed)
        found[name] = list(chosen)
    return found


def settled(options: DreamOptions, picked: Picked) -> DreamOptions:
    """Return the settings with the channels by number; those that nothing is known of stay."""

    def number(name: str) -> str:
        target = with_pick(name, options)
        channels = picked.get(str(target))
        return name if channels is None else str(Target(target.layer, tuple(sorted(channels))))

    if not picked:
        return options
    layer = tuple(map_layers(text, number) for text in options.layer)
    return replace(options, layer=layer, channels=None)


def told(network: Network, picked: Picked) -> list[str]:
    """Return in words what was picked, a line each."""
    lines: list[str] = []
    for name, channels in picked.items():
        target = parse_target(name)
        names = class_names(network.name) if target.layer == CLASS else ()
        words = [f"{number} {names[number]}" if names else str(number) for number in channels]
        what = "classes" if target.layer == CLASS else f"channels of {target.layer}"
        lines.append(f"{target.pick} {what}: {', '.join(words)}")
    return lines
