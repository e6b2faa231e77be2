"""The wall of looks: what is on it, tile by tile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dreamflow.pipelines.settings.looks import find_settings_of_no_look, list_look_presets
from dreamflow.pipelines.settings.presets import load_preset
from dreamflow.studio.worker.messages import LayerFacts

PRESETS_WALL, VARIATIONS_WALL, FAVOURITES_WALL = "presets", "variations", "favourites"
"""Walls of every preset, of the look's neighbours, and of looks that are kept; the others are named
by a category of layers."""


@dataclass(frozen=True)
class Tile:
    """A look on the wall.

    Attributes:
        name: A preset or a layer.
        about: A line on it.
        settings: What is dreamed.
    """

    name: str
    about: str
    settings: Mapping[str, Any]


def list_wall(wall: str, look: Mapping[str, Any], layers: Mapping[str, LayerFacts]) -> list[Tile]:
    """Return the tiles of a wall.

    Args:
        wall: `PRESETS_WALL`, or a category of layers.
        look: The look at hand; a wall of layers shows it on each layer.
        layers: The layers of its network.
    """
    if wall == PRESETS_WALL:
        return [make_preset_tile(name, look.get("network")) for name in list_look_presets()]
    return [
        Tile(name, f"{layer.channels} channels", {**look, "layer": [name]})
        for name, layer in layers.items()
        if layer.category == wall
    ]


def make_preset_tile(name: str, network: str | None) -> Tile:
    """Return the tile of a preset, dreamed with a network unless it names its own."""
    from dreamflow.core.options.declaration import plain_value

    about, settings = load_preset(name)
    left_out = find_settings_of_no_look(settings)
    plain = {n: plain_value(v) for n, v in settings.items() if n not in left_out}
    return Tile(name, about, ({"network": network} if network else {}) | plain)


def list_categories(layers: Mapping[str, LayerFacts]) -> list[str]:
    """Return the categories of a network's layers, shallow to deep; without any, nothing."""
    return list(dict.fromkeys(layer.category for layer in layers.values() if layer.category))
