"""The wall that is shown: which one it is, and the looks on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dreamflow.studio.looks.channels import (
    CHANNELS_AT_ONCE,
    CHANNELS_WALL,
    ChannelSheet,
    open_sheet,
)
from dreamflow.studio.looks.favourites import Favourites
from dreamflow.studio.looks.tiles import list_tiles
from dreamflow.studio.looks.wall import PRESETS_WALL, VARIATIONS_WALL, Tile
from dreamflow.studio.previews import WALL, Previews
from dreamflow.studio.project import Project
from dreamflow.studio.worker.messages import LayerFacts


class ShownWall:
    """The looks to choose from.

    Attributes:
        name: Which wall is shown.
        tiles: The looks on it.
    """

    def __init__(
        self,
        project: Callable[[], Project],
        layers: Callable[[], dict[str, LayerFacts]],
        favourites: Favourites,
        previews: Previews,
        tell: Callable[[str], None],
    ) -> None:
        """Begin with the presets, of which none is asked for yet.

        Args:
            project: Returns what is worked on.
            layers: Returns the layers of its network.
            favourites: The looks that are kept.
            previews: Asks for the pictures.
            tell: Takes the topic of a change.
        """
        self.name, self.tiles = PRESETS_WALL, list[Tile]()
        self._project, self._layers, self._favourites = project, layers, favourites
        self._previews, self._tell = previews, tell
        self._asked: Any = None
        self._variation_round, self._channels_shown = 0, CHANNELS_AT_ONCE

    def forget(self) -> None:
        """Ask for all pictures anew when it is shown again: another source comes."""
        self._asked = None

    def show(self, wall: str) -> None:
        """Show another wall, or the same one anew. Raises DreamFlowError."""
        self._channels_shown = self._channels_shown if wall == self.name else CHANNELS_AT_ONCE
        self.name = wall
        project = self._project()
        look, kept = project.look.settings, self._favourites.looks
        self.tiles = list_tiles(
            *(wall, look, self._layers(), kept, self._variation_round, self._channels_shown)
        )
        source = project.source
        asked = (source and source.path, project.frame, [tile.settings for tile in self.tiles])
        if asked != self._asked:
            self._asked = asked
            self._previews.ask_for_tiles(project, self.tiles)
        self._tell(WALL)

    def vary_again(self) -> None:
        """Show other neighbours of the look. Raises DreamFlowError."""
        self._variation_round += 1
        self.show(VARIATIONS_WALL)

    @property
    def sheet(self) -> ChannelSheet | None:
        """The channels of the look's layer; None where they are not known."""
        return open_sheet(self._project().look.settings, self._layers())

    def show_more_channels(self) -> None:
        """Show more of the channels on their wall. Raises DreamFlowError."""
        self._channels_shown += CHANNELS_AT_ONCE
        self.show(CHANNELS_WALL)
