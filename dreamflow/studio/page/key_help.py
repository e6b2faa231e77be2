"""The keys of the page, as a table that a key shows."""

from __future__ import annotations

from nicegui import ui

from dreamflow.studio.page.context import box, text_button

KEY_HELP = (
    ("1 to 5", "Open, Looks, Tune, Curves, Render"),
    ("1 to 9 on the wall", "take one of the first nine looks; with Shift, 1 to 5 are the views"),
    ("Space", "plays the source, or halts it"),
    ("J, K, L", "backwards, halt, forwards; again: faster"),
    ("\N{LEFTWARDS ARROW}, \N{RIGHTWARDS ARROW}", "the frame before and the next; Shift: ten"),
    ("I, O", "the film begins here, ends here"),
    ("B", "the source instead of the dream, and back"),
    ("M", "moving preview"),
    ("P", "compare with this look"),
    ("Z, Shift Z", "undo and redo, without end"),
    ("A", "paint a matte, or end it"),
    ("E, [, ]", "while painting: the eraser, a narrower and a wider brush"),
    ("/", "search the settings"),
    ("C", "the look as a command, a preset and Python"),
    ("?", "these keys"),
)
"""Keys, and what they do; docs/studio.md has them too."""


class KeyHelp:
    """A dialog with the keys."""

    def __init__(self) -> None:
        """Build it in the current place of the page; `open` shows it."""
        with ui.dialog() as self.dialog, box("outside"):
            ui.label("Keys").classes("title")
            with box("key-help", "dl"):
                for keys, what in KEY_HELP:
                    with box("", "dt"):
                        ui.label(keys).classes("mono")
                    with box("", "dd"):
                        ui.label(what)
            text_button("Close", self.dialog.close)

    def open(self) -> None:
        """Show it."""
        self.dialog.open()
