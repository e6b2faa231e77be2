"""One setting on the page: its control, its value as text, its help and its error."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nicegui import ui

from dreamflow.core.errors import DreamFlowError
from dreamflow.core.options.declaration import format_setting_value
from dreamflow.studio.looks.controls import CHOICE, NUMBER, SWITCH, SettingControl, parse_setting
from dreamflow.studio.page.context import PageContext, box
from dreamflow.studio.page.drop import drop_place
from dreamflow.studio.project import describe_error

SetCallback = Callable[[str, Any], None]
"""Called with a setting's name and its new value; may raise DreamFlowError."""


class SettingView:
    """A setting of the look."""

    def __init__(
        self,
        control: SettingControl,
        on_set: SetCallback,
        *,
        is_compact: bool = False,
        page: PageContext | None = None,
    ) -> None:
        """Build it in the current place of the page.

        Args:
            control: What it is.
            on_set: Takes a new value.
            page: The tab, where a file may be dropped for it.
            is_compact: Whether its help comes only when it is pointed at.
        """
        self.control, self._on_set = control, on_set
        self._is_showing = False
        self._layers: list[str] = []
        self._slider: ui.slider | None = None
        classes = f"setting setting-{control.name}" + (" compact" if is_compact else "")
        with box(classes) as self.element:
            with box("setting-head"):
                name = ui.label(control.label).classes("setting-name")
                if is_compact:
                    self._build_slider()
                self._value = self._build_value()
                self._reset = ui.button(icon="undo", on_click=lambda: self._set(None), color=None)
                self._reset.props("flat dense round size=sm").classes("reset")
                self._reset.props["aria-label"] = f"Reset {control.label}"
            if is_compact:
                name.tooltip(self._describe())
            else:
                self._build_slider()
                ui.label(self._describe()).classes("help")
            if page is not None and control.is_path:
                drop_place(page, "Drop a file here", self._take_file, self._fail).mark(
                    f"drop-{control.name}"
                )
            self._failure = ui.label().classes("failure")
            self._failure.set_visibility(False)

    def _build_slider(self) -> None:
        control = self.control
        if control.low is not None and control.high is not None:
            self._slider = ui.slider(min=control.low, max=control.high, step=control.step)
            self._slider.on_value_change(lambda event: self._set(event.value)).classes("slider")
            self._slider.props["aria-label"] = control.label

    def _describe(self) -> str:
        control = self.control
        allowed = f" {control.allowed.capitalize()}." if control.allowed else ""
        needs = f" Needs {control.needs[0].replace('_', ' ')}." if control.needs else ""
        scheduled = " May follow a schedule: 0: 1, 4s: 3." if control.scheduled else ""
        return f"{control.help}{allowed}{needs}{scheduled}"

    def _build_value(self) -> Any:
        control = self.control
        if control.name == "layer":
            made = ui.select([], multiple=True, with_input=True, new_value_mode="add-unique").props(
                "dense outlined dark options-dense use-chips"
            )
        elif control.kind == SWITCH:
            made = ui.switch()
        elif control.kind == CHOICE:
            made = ui.select(list(control.choices)).props("dense outlined dark options-dense")
        else:
            made = ui.input().props("dense outlined dark debounce=400")
            made.classes("short" if control.kind == NUMBER else "")
        made.props["aria-label"] = control.label
        made.on_value_change(lambda event: self._set(event.value))
        return made.classes("value").mark(f"setting-{control.name}")

    def _fail(self, line: str) -> None:
        self._failure.set_text(line)
        self._failure.set_visibility(True)

    async def _take_file(self, path: Path) -> None:
        self._set(str(path))

    def offer(self, layers: Sequence[str]) -> None:
        """Offer layers to choose from, where it is the setting `layer`."""
        if self.control.name == "layer":
            self._layers = list(layers)

    def _set(self, value: Any) -> None:
        if self._is_showing:
            return
        try:
            self._on_set(self.control.name, value)
        except DreamFlowError as error:
            self._fail(describe_error(error))
        else:
            self._failure.set_visibility(False)

    def _means(self, value: Any) -> bool:
        """Return whether what is typed stands for a value: `1.` is not to become `1` under one."""
        try:
            return (
                bool(self._value.value)
                and parse_setting(self.control.name, self._value.value) == value
            )
        except DreamFlowError:
            return False

    def show(self, value: Any) -> None:
        """Show a value: that of the look, or the default."""
        self._is_showing = True
        control = self.control
        self._reset.set_visibility(value != control.default)
        if control.name == "layer":
            value = [value] if isinstance(value, str) else list(value)
            known = self._layers
            self._value.set_options([*known, *(v for v in value if v not in known)], value=value)
        elif control.kind in (SWITCH, CHOICE):
            self._value.set_value(value)
        else:
            text = "" if value is None else format_setting_value(value)
            if self._value.value != text and not self._means(value):
                self._value.set_value(text)
        if self._slider is not None and isinstance(value, int | float):
            assert control.low is not None
            assert control.high is not None
            self._slider.set_value(min(max(value, control.low), control.high))
        self._is_showing = False
