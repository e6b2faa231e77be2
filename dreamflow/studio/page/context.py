"""What the views of one browser tab share."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from nicegui import ui

from dreamflow.core.errors import DreamFlowError
from dreamflow.studio.places import Shown
from dreamflow.studio.project import describe_error
from dreamflow.studio.studio import Studio

OPEN, LOOKS, TUNE, CURVES, RENDER = "open", "looks", "tune", "curves", "render"
"""The views."""


@dataclass
class PageContext:
    """One browser tab.

    Attributes:
        studio: The state that all tabs share.
        view: The view that this one shows.
        show_view: Shows another view.
        message: Where an error is told that belongs to no field, else how the source stands.
        source_note: How the source stands, where something of it is missing; or "".
        listeners: Called with the topic of each change.
    """

    studio: Studio
    view: str = OPEN
    show_view: Callable[[str], None] = lambda view: None
    message: Any = None
    source_note: str = ""
    listeners: list[Callable[[str], None]] = field(default_factory=list[Callable[[str], None]])

    @contextmanager
    def telling_errors(self) -> Generator[None]:
        """Tell an error of the block on one line, instead of raising it."""
        try:
            yield
        except DreamFlowError as error:
            self.tell(describe_error(error))
        else:
            self.tell("")

    def tell(self, line: str) -> None:
        """Show a line above the view; "" shows how the source stands."""
        if self.message is not None:
            self.message.set_text(line or self.source_note)
            self.message.set_visibility(bool(line or self.source_note))

    def tell_source(self, line: str) -> None:
        """Show how the source stands, until that is another."""
        self.source_note = line
        self.tell("")


def box(classes: str, tag: str = "div") -> ui.element:
    """Return an element of plain HTML with classes."""
    return ui.element(tag).classes(classes)


def text_button(text: str, on_click: Callable[[], Any], classes: str = "") -> ui.button:
    """Return a quiet button."""
    button = ui.button(text, on_click=on_click, color=None)
    return button.props("flat no-caps unelevated").classes(f"quiet {classes}")


def main_button(text: str, on_click: Callable[[], Any]) -> ui.button:
    """Return the button of a view's main action."""
    button = ui.button(text, on_click=on_click, color=None)
    return button.props("flat no-caps unelevated").classes("main-action")


def show_props(element: ui.element, props: Mapping[str, object]) -> None:
    """Give a component other values of some properties, where any differs."""
    shown = cast("dict[str, object]", element.props)
    if any(name not in shown or shown[name] != value for name, value in props.items()):
        shown.update(props)
        element.update()


def picture_address(shown: Shown) -> str:
    """Return the address of a picture; "" where there is none."""
    return f"/pictures/{shown.picture}" if shown.picture else ""


def set_picture(element: ui.element, address: str, alt: str) -> None:
    """Show a picture in an `img`; without one it is hidden."""
    element.set_visibility(bool(address))
    if address:
        # As values, not as text that is parsed: names may hold anything.
        element.props["src"] = address
        element.props["alt"] = alt
        element.update()
