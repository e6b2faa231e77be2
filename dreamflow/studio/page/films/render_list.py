"""The list of the queue's films, in which those that wait are dragged into another order."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui


class RenderList(ui.element, component="render_list.js"):
    """The cards of the films; they are built in it."""

    def __init__(self, on_move: Callable[[str, int], None]) -> None:
        """Build it in the current place of the page.

        Args:
            on_move: Takes a film's key, and by how many places among those that wait it is moved;
                below 0 is forwards.
        """
        super().__init__()
        self.on("move", lambda event: on_move(str(event.args["key"]), int(event.args["by"])))
        self.mark("render-list")
