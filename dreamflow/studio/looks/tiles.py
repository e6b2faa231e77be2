"""The tiles of any wall: presets, layers, variations or favourites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dreamflow.studio.looks.channels import (
    CHANNELS_AT_ONCE,
    CHANNELS_WALL,
    list_channel_tiles,
    open_sheet,
)
from dreamflow.studio.looks.favourites import Favourite
from dreamflow.studio.looks.variations import make_variations
from dreamflow.studio.looks.wall import FAVOURITES_WALL, VARIATIONS_WALL, Tile, list_wall
from dreamflow.studio.worker.messages import LayerFacts


def list_tiles(
    wall: str,
    look: Mapping[str, Any],
    layers: Mapping[str, LayerFacts],
    favourites: Sequence[Favourite],
    variation_round: int,
    channels_shown: int = CHANNELS_AT_ONCE,
) -> list[Tile]:
    """Return the tiles of a wall; none where it needs layers that are not known yet.

    Args:
        wall: Its name.
        look: The settings of the look at hand.
        layers: The layers of its network.
        favourites: The looks that are kept.
        variation_round: Other numbers give other variations.
        channels_shown: How many channels of a sheet are shown.
    """
    if wall == VARIATIONS_WALL:
        return make_variations(look, list(layers), variation_round) if layers else []
    if wall == CHANNELS_WALL:
        sheet = open_sheet(look, layers)
        return list_channel_tiles(look, sheet, channels_shown) if sheet else []
    if wall == FAVOURITES_WALL:
        return [Tile(one.name, "", one.settings) for one in favourites]
    return list_wall(wall, look, layers)
