"""A command line as text that is copied by a click."""

from __future__ import annotations

from typing import cast

from nicegui import ui


class CommandText(ui.element, component="command_text.js"):
    """A line for a shell."""

    def __init__(self, text: str = "") -> None:
        """Build it in the current place of the page."""
        super().__init__()
        self._props["text"] = text

    @property
    def text(self) -> str:
        """The line."""
        return str(cast(str, self._props["text"]))

    def set_text(self, text: str) -> None:
        """Show another line."""
        if text != self.text:
            self._props["text"] = text
            self.update()
