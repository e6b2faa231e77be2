"""The matte of the look, painted: a canvas over the picture, and its tools."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from nicegui import ui

from dreamflow.studio.files.mattes import find_painting_size
from dreamflow.studio.looks.controls import list_controls
from dreamflow.studio.page.context import PageContext, box, show_props, text_button
from dreamflow.studio.page.tune.setting_views import SettingView

BRUSHES = (1.0, 60.0)
"""Width of the narrowest and the widest brush, in percent of the longer side."""
BRUSH, SOFTNESS = 12.0, 30.0
BRUSH_STEP = 1.25
"""How much wider a key makes the brush."""
SETTINGS = ("matte_feather", "matte_invert")
"""Settings of the matte beside its tools."""
BLACK, WHITE = "#000", "#fff"


class MatteCanvas(ui.element, component="painter.js"):
    """The canvas; it sends what is painted by itself."""

    def __init__(self, on_failure: Callable[[str], None]) -> None:
        """Build it in the current place of the page; what is given takes a line on what failed."""
        super().__init__()
        self.on("fail", lambda event: on_failure(str(event.args["line"])))
        self._props.update(width=2, height=1, name="", brush=BRUSH, softness=SOFTNESS)
        self._props.update(isEraser=False)
        self.mark("matte-canvas")

    def show(self, **props: object) -> None:
        """Show another matte, take another brush; names as in the component."""
        show_props(self, props)

    @property
    def brush(self) -> float:
        """Width of the brush, in percent of the longer side."""
        return float(cast(float, self._props["brush"]))


class Painting:
    """Paints the look's matte."""

    def __init__(self, page: PageContext, column: ui.element) -> None:
        """Build the canvas in the current place of the page, which is the picture in its column."""
        self._page, self._column = page, column
        self.is_open = False
        self._canvas = MatteCanvas(page.tell)
        self._canvas.set_visibility(False)

    def build_tools(self) -> None:
        """Build the tools in the current place of the page."""
        page = self._page
        with box("matte-tools") as self._tools:
            with box("line tools"):
                self._brush = text_button("Brush", lambda: self._erase(False)).mark("brush")
                self._eraser = text_button("Eraser", lambda: self._erase(True)).mark("eraser")
                self._width = self._build_slider("Width", *BRUSHES, BRUSH, "brush")
                self._softness = self._build_slider("Softness", 0, 100, SOFTNESS, "softness")
            with box("line tools"):
                text_button("Fill", lambda: self._canvas.run_method("fill", WHITE))
                text_button("Empty", lambda: self._canvas.run_method("fill", BLACK))
                text_button("No matte", lambda: self._set("matte", None)).mark("no-matte")
                text_button("Done", self.toggle)
                self._note = ui.label().classes("faint")
            controls = {one.name: one for one in list_controls()}
            self._settings = [
                SettingView(controls[name], page.studio.set, is_compact=True) for name in SETTINGS
            ]
        self._tools.set_visibility(False)
        self._erase(False)

    def _build_slider(
        self, label: str, low: float, high: float, value: float, prop: str
    ) -> ui.slider:
        ui.label(label).classes("faint")
        slider = ui.slider(min=low, max=high, step=1, value=value).classes("slider tool-slider")
        slider.props["aria-label"] = label
        slider.on_value_change(lambda event: self._canvas.show(**{prop: float(event.value or 0)}))
        return slider

    def _set(self, name: str, value: object) -> None:
        with self._page.telling_errors():
            self._page.studio.set(name, value)

    def _erase(self, is_eraser: bool) -> None:
        self._canvas.show(isEraser=is_eraser)
        for button, is_pressed in ((self._brush, not is_eraser), (self._eraser, is_eraser)):
            button.props["aria-pressed"] = "true" if is_pressed else "false"
            button.update()

    def toggle_eraser(self) -> None:
        """Take the eraser, or the brush again."""
        self._erase(not self._canvas.props["isEraser"])

    def widen(self, way: int) -> None:
        """Take a wider (1) or narrower (-1) brush."""
        low, high = BRUSHES
        self._width.set_value(min(max(round(self._canvas.brush * BRUSH_STEP**way), low), high))

    def toggle(self) -> None:
        """Begin or end painting."""
        self.is_open = not self.is_open and self._page.studio.project.source is not None
        self._canvas.set_visibility(self.is_open)
        self._tools.set_visibility(self.is_open)
        # The picture makes room for the tools.
        self._column.classes(**{"add" if self.is_open else "remove": "painting"})
        self.show()

    def show(self) -> None:
        """Show the matte as it is now."""
        studio = self._page.studio
        source, matte = studio.project.source, studio.matte
        if source is None or not self.is_open:
            return
        width, height = find_painting_size(source.width, source.height)
        self._canvas.show(width=width, height=height, name=matte.name if matte else "")
        settings = studio.project.look.settings
        for view in self._settings:
            view.show(settings.get(view.control.name, view.control.default))
        self._note.set_text(matte.name if matte else "Paint where the dream is to be shown.")
