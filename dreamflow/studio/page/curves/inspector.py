"""The chosen lane as text: its schedule, and the keyframe that was clicked."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Protocol

from nicegui import ui

from dreamflow.core.errors import DreamFlowError
from dreamflow.core.schedules.keyframes import INTERPOLATIONS
from dreamflow.studio.curves.curve import Curve, CurvePoint
from dreamflow.studio.looks.controls import SettingControl
from dreamflow.studio.page.context import PageContext, box, text_button
from dreamflow.studio.project import describe_error


class CurveChanger(Protocol):
    """What changes the curves."""

    def set_text(self, name: str, text: str) -> None:
        """Change a schedule as text."""
        ...

    def change_point(self, name: str, place: int, **changes: str) -> None:
        """Change some of a keyframe's text."""
        ...

    def remove(self, name: str, place: int) -> None:
        """Remove a keyframe."""
        ...

    def close_lane(self, name: str) -> None:
        """Hide a lane."""
        ...


class Inspector:
    """The schedule's text, edited either way, and the fields of one keyframe."""

    def __init__(self, page: PageContext, changer: CurveChanger) -> None:
        """Build it in the current place of the page."""
        self._page, self._changer = page, changer
        self._name, self._place, self._is_showing = "", -1, False
        with box("curve-inspector"):
            with box("line heading"):
                self._title = ui.label().classes("title")
                self._undo = text_button("Undo", page.studio.undo)
                self._redo = text_button("Redo", page.studio.redo)
            self._text = ui.textarea("Schedule").props("outlined dense dark autogrow debounce=600")
            self._text.classes("mono").mark("schedule")
            self._text.on_value_change(lambda event: self._set_text(event.value or ""))
            self._failure = ui.label().classes("failure")
            with box("keyframe") as self._keyframe:
                self._build_keyframe()
            self._help = ui.label().classes("help faint")
            with box("line"):
                text_button("Without keyframes", self._reset).mark("reset-lane")
                text_button("Hide the lane", lambda: changer.close_lane(self._name))

    def _build_keyframe(self) -> None:
        self._keyframe_title = ui.label().classes("group-title")
        with box("line keyframe-row"):
            self._time = self._build_field("Time", "time")
            self._value = self._build_field("Value", "value")
            self._layer = ui.select([], label="Layer", with_input=True)
            self._layer.props("dense outlined dark options-dense").classes("grow")
            self._layer.on_value_change(lambda event: self._change(value=event.value))
            self._layer.mark("keyframe-layer")
        with box("line"):
            self._way = ui.toggle(list(INTERPOLATIONS)).props(
                "no-caps unelevated dense toggle-text-color=dark"
            )
            self._way.on_value_change(lambda event: self._change(interpolation=event.value))
            self._way.mark("interpolation")
            remove = text_button("Remove", lambda: self._changer.remove(self._name, self._place))
            remove.mark("remove-keyframe")

    def _build_field(self, label: str, name: str) -> ui.input:
        field = ui.input(label).props("dense outlined dark debounce=500")
        field.on_value_change(lambda event: self._change(**{name: event.value}))
        return field.classes("grow").mark(f"keyframe-{name}")

    @contextmanager
    def telling_errors(self) -> Generator[None]:
        """Tell an error of the block below the text."""
        self._failure.set_text("")
        try:
            yield
        except DreamFlowError as error:
            self._failure.set_text(describe_error(error))

    def _set_text(self, text: str) -> None:
        if not self._is_showing:
            with self.telling_errors():
                self._changer.set_text(self._name, text)

    def _change(self, **changes: Any) -> None:
        if self._is_showing or self._place < 0 or not all(changes.values()):
            return
        with self.telling_errors():
            self._changer.change_point(self._name, self._place, **changes)

    def _reset(self) -> None:
        with self.telling_errors():
            self._page.studio.set(self._name, None)

    def show(self, control: SettingControl, curve: Curve, place: int) -> None:
        """Show a lane and one of its keyframes.

        Args:
            control: The setting.
            curve: Its curve.
            place: The keyframe's, from 0; -1 for none.
        """
        self._is_showing = True
        if control.name != self._name:
            self._failure.set_text("")
        self._name, self._place = control.name, place if place < len(curve.points) else -1
        self._title.set_text(control.label)
        project = self._page.studio.project
        self._undo.set_enabled(bool(project.past))
        self._redo.set_enabled(bool(project.future))
        self._text.set_value(curve.text)
        if curve.failure:
            self._failure.set_text(curve.failure)
        has_arithmetic = bool(curve.samples) and not curve.points
        self._help.set_text(
            "Arithmetic is changed as text: t is seconds, audio.bass the bass, beat the beat."
            if has_arithmetic
            else control.help
        )
        self._keyframe.set_visibility(self._place >= 0)
        if self._place >= 0:
            self._show_keyframe(curve.points[self._place], len(curve.points))
        self._is_showing = False

    def _show_keyframe(self, point: CurvePoint, count: int) -> None:
        is_layer = self._name == "layer"
        self._keyframe_title.set_text(f"Keyframe {self._place + 1} of {count}")
        self._time.set_value(point.time)
        self._value.set_visibility(not is_layer)
        self._layer.set_visibility(is_layer)
        self._value.set_value(point.value)
        if is_layer:
            layers = list(self._page.studio.layers())
            others = [] if point.value in layers else [point.value]
            self._layer.set_options([*others, *layers], value=point.value)
        self._way.set_value(point.interpolation)
