"""The grid of a wall's tiles, which tells what of it is on the screen."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nicegui import ui


class WallGrid(ui.element, component="wall_grid.js"):
    """A grid; its tiles are built in it."""

    def __init__(self, on_visible: Callable[[Sequence[int]], None]) -> None:
        """Build it in the current place of the page.

        Args:
            on_visible: Takes the places of the tiles that are on the screen, when these change.
        """
        super().__init__()
        self.on("visible", lambda event: on_visible([int(n) for n in event.args["places"]]))
        self.mark("wall-grid")
