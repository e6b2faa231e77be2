"""The tiles of any wall: presets, layers, variations or favourites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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
) -> list[Tile]:
    """Return the tiles of a wall; none where it needs layers that are not known yet.

    Args:
        wall: Its name.
        look: The settings of the look at hand.
        layers: The layers of its network.
        favourites: The looks that are kept.
        variation_round: Other numbers give other variations.
    """
    if wall == VARIATIONS_WALL:
        return make_variations(look, list(layers), variation_round) if layers else []
    if wall == FAVOURITES_WALL:
        return [Tile(one.name, "", one.settings) for one in favourites]
    return list_wall(wall, look, layers)
