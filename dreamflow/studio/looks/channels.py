"""The channel sheet: the frame dreamed on single channels of the look's layer, to pick from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dreamflow.core.errors import DreamFlowError
from dreamflow.core.options.declaration import plain_value
from dreamflow.core.targets import Target, parse_target
from dreamflow.dream.options import DreamOptions
from dreamflow.studio.looks.wall import Tile
from dreamflow.studio.worker.messages import LayerFacts

CHANNELS_WALL = "channels"
"""The wall that is a channel sheet."""
CHANNELS_AT_ONCE = 48
"""Tiles of a sheet that are shown at first, and that are added each time."""


@dataclass(frozen=True)
class ChannelSheet:
    """The channels of one of the look's layers.

    Attributes:
        place: Its place among the look's layers.
        layer: Its name.
        count: How many channels it has.
        picked: Those that the look dreams on; none stands for all of them.
        weight: What follows them in the look's text: `=0.5`, or "".
    """

    place: int
    layer: str
    count: int
    picked: frozenset[int]
    weight: str


def open_sheet(look: Mapping[str, Any], layers: Mapping[str, LayerFacts]) -> ChannelSheet | None:
    """Return the sheet of the look's first layer; None where it has none that stays.

    Args:
        look: The settings of the look.
        layers: The layers of its network.
    """
    for place, text in enumerate(_list_layers(look)):
        name, equals, weight = text.partition("=")
        try:
            target = parse_target(name.strip())
        except DreamFlowError:  # a schedule
            continue
        if target.layer in layers:
            count = layers[target.layer].channels
            picked = frozenset(target.channels)
            return ChannelSheet(place, target.layer, count, picked, equals + weight)
    return None


def list_channel_tiles(look: Mapping[str, Any], sheet: ChannelSheet, shown: int) -> list[Tile]:
    """Return a tile for each of the first channels of a sheet, as many as are shown."""
    rest = {name: value for name, value in look.items() if name != "channels"}
    return [
        Tile(str(number), "", {**rest, "layer": [str(Target(sheet.layer, (number,)))]})
        for number in range(min(shown, sheet.count))
    ]


def pick_channel(look: Mapping[str, Any], sheet: ChannelSheet, channel: int) -> dict[str, Any]:
    """Return the look with a channel of a sheet picked, or let go of."""
    picked = tuple(sorted(sheet.picked ^ {channel}))
    layers = _list_layers(look)
    layers[sheet.place] = f"{Target(sheet.layer, picked)}{sheet.weight}"
    return {**{n: v for n, v in look.items() if n != "channels"}, "layer": layers}


def _list_layers(look: Mapping[str, Any]) -> list[str]:
    layers = look.get("layer") or plain_value(DreamOptions().layer)
    return [layers] if isinstance(layers, str) else list(layers)
