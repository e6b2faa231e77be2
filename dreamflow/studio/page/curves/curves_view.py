"""The view of curves: the picture, the lanes, and the chosen schedule as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nicegui import ui

from dreamflow.core.schedules.schedule import parse_layer_schedule
from dreamflow.studio.curves.curve import (
    Curve,
    add_point,
    format_value,
    make_curve,
    move_point,
    remove_point,
    set_point,
)
from dreamflow.studio.curves.snapping import FRAMES, SNAPPINGS, list_snap_times, snap_time
from dreamflow.studio.looks.controls import SOUND_SETTINGS, list_controls
from dreamflow.studio.page.context import CURVES, PageContext, box, text_button
from dreamflow.studio.page.curves.curve_editor import CurveEditor, describe_lane
from dreamflow.studio.page.curves.inspector import Inspector
from dreamflow.studio.page.tune.setting_views import SettingView
from dreamflow.studio.page.tune.viewer import Viewer
from dreamflow.studio.page.view import View
from dreamflow.studio.studio import PROJECT, SOUND

FIRST_LANES = ("layer", "strength", "step")
"""Lanes that are there before any other is added."""


class CurvesView(View):
    """Lanes of the settings that may change over time."""

    def __init__(self, page: PageContext) -> None:
        """Build it in the current place of the page."""
        self._page = page
        self._controls = {one.name: one for one in list_controls() if one.scheduled}
        self._lanes = list(FIRST_LANES)
        self._chosen, self._selected, self._snapping = FIRST_LANES[0], -1, FRAMES
        with box("curves-view"):
            with box("curves-top"):
                self.viewer = self._viewer = Viewer(page, is_small=True)
                self._inspector = Inspector(page, self)
            with box("line tools curves-tools"):
                self._build_tools()
            self._editor = CurveEditor(
                on_move=self._move,
                on_add=self._add,
                on_remove=lambda event: self.remove(event["lane"], int(event["place"])),
                on_choose=self._choose,
                on_seek=self._seek,
            )
            self._editor.mark("curves")
        page.listeners.append(self._hear)

    def _build_tools(self) -> None:
        self._add_lane = ui.select(
            {}, label="Add a lane", on_change=lambda event: self._open_lane(event.value)
        ).props("dense outlined dark options-dense")
        self._add_lane.mark("add-lane")
        snap = ui.select(
            list(SNAPPINGS),
            value=FRAMES,
            label="Snap to",
            on_change=lambda event: self._set_snapping(event.value),
        )
        snap.props("dense outlined dark options-dense").mark("snapping")
        text_button("Keyframe here", self.add_here).mark("keyframe-here")
        text_button("Zoom in", lambda: self._editor.run_method("zoomIn"))
        text_button("Zoom out", lambda: self._editor.run_method("zoomOut"))
        ui.label("Double-click adds a keyframe, Delete removes it.").classes("faint")
        self._build_sound()

    def _build_sound(self) -> None:
        """Build the settings of what is heard: another sound, the beats."""
        controls = {one.name: one for one in list_controls()}
        studio = self._page.studio
        with ui.expansion("Sound and beats").classes("drawer sound-drawer").mark("sound-drawer"):
            self._sound_views = [
                SettingView(controls[name], studio.set, page=self._page) for name in SOUND_SETTINGS
            ]

    # --- what is asked of it

    def enter(self) -> None:
        """Show the curves of the project as it is now, and hear its sound."""
        self._page.studio.sound.listen()
        self.show()

    def curve(self, name: str) -> Curve:
        """Return the curve of a setting of the look."""
        studio = self._page.studio
        timeline = studio.sound.timeline
        assert timeline is not None
        default = self._controls[name].default
        return make_curve(name, studio.project.look.settings.get(name, default), timeline)

    def set_text(self, name: str, text: str) -> None:
        """Change a schedule as text. Raises SettingsError."""
        self._page.studio.set(name, [text] if name == "layer" and text.strip() else text)

    def change_point(self, name: str, place: int, **changes: str) -> None:
        """Change some of a keyframe's text. Raises SettingsError."""
        self.set_text(name, set_point(self.curve(name), place, **changes))

    def remove(self, name: str, place: int) -> None:
        """Remove a keyframe."""
        self._selected = -1
        with self._telling():
            self.set_text(name, remove_point(self.curve(name), place))

    def add_here(self) -> None:
        """Add a keyframe of the chosen lane at the playhead, with the value that it has there."""
        self._add({"lane": self._chosen, "seconds": self._page.studio.project.film_seconds})

    def close_lane(self, name: str) -> None:
        """Hide a lane; what it changes stays."""
        self._lanes = [lane for lane in self._lanes if lane != name]
        self._chosen, self._selected = (self._lanes or [FIRST_LANES[0]])[0], -1
        self.show()

    # --- what the editor tells

    def _telling(self) -> Any:
        return self._inspector.telling_errors()

    def _move(self, event: Mapping[str, Any]) -> None:
        name, place = str(event["lane"]), int(event["place"])
        curve = self.curve(name)
        if not 0 <= place < len(curve.points):
            return
        point = curve.points[place]
        time, seconds = point.time, point.seconds
        if abs(float(event["seconds"]) - seconds) > 1e-3:
            time, seconds = self._snap(float(event["seconds"]))
        value = None
        if point.is_plain and event.get("value") is not None:
            value = format_value(float(event["value"]), self._controls[name].step)
        with self._telling():
            self.set_text(name, move_point(curve, place, time, seconds, value))

    def _add(self, event: Mapping[str, Any]) -> None:
        name = str(event["lane"])
        if name not in self._controls:
            return
        curve, (time, seconds) = self.curve(name), self._snap(float(event["seconds"]))
        value = self._value_at(name, curve, seconds)
        if event.get("value") is not None:
            value = format_value(float(event["value"]), self._controls[name].step)
        text = add_point(curve, time, seconds, value)
        self._chosen = name
        self._selected = len([point for point in curve.points if point.seconds <= seconds])
        self._selected += not curve.points and seconds > 0
        with self._telling():
            self.set_text(name, text)
        self.show()

    def _value_at(self, name: str, curve: Curve, seconds: float) -> str:
        if name == "layer":
            spans = [span for span in curve.spans if span.begin <= seconds] or curve.spans
            return spans[-1].name
        pairs = [(point.seconds, point.number) for point in curve.points]
        along = [pair for pair in curve.samples or pairs if pair[1] is not None]
        numbers = [number for time, number in along if time <= seconds]
        constant = 0.0 if curve.constant is None else curve.constant
        value = numbers[-1] if numbers else along[0][1] if along else constant
        return format_value(float(value or 0), self._controls[name].step)

    def _snap(self, seconds: float) -> tuple[str, float]:
        timeline = self._page.studio.sound.timeline
        assert timeline is not None
        return snap_time(seconds, self._snapping, timeline)

    def _choose(self, event: Mapping[str, Any]) -> None:
        if event["lane"] in self._controls:
            self._chosen, self._selected = str(event["lane"]), int(event["place"])
            self.show()

    def _seek(self, event: Mapping[str, Any]) -> None:
        project = self._page.studio.project
        if project.source is not None:
            begin = float(project.source.frame_time(project.first))
            self._page.studio.seek(begin + float(event["seconds"]))

    # --- what it shows

    def _open_lane(self, name: str | None) -> None:
        if name:
            self._lanes += [name] if name not in self._lanes else []
            self._chosen, self._selected = name, -1
            self._add_lane.set_value(None)
            self.show()

    def _set_snapping(self, snapping: str) -> None:
        self._snapping = snapping
        self.show()

    def _hear(self, topic: str) -> None:
        if self._page.view == CURVES and topic in (PROJECT, SOUND):
            self._page.studio.sound.listen()  # to another one, where that is set
            self.show()

    def show(self) -> None:
        """Show the curves as they are now."""
        studio = self._page.studio
        timeline = studio.sound.timeline
        if timeline is None:
            return
        curves = {name: self.curve(name) for name in self._list_lanes()}
        sound = studio.sound
        self._editor.show(
            lanes=[describe_lane(self._controls[name], one) for name, one in curves.items()],
            length=float(timeline.length),
            rate=float(timeline.rate),
            time=max(0.0, min(studio.project.film_seconds, float(timeline.length))),
            soundAddress=sound.address if sound.heard else "",
            soundNote=sound.note,
            snapping=self._snapping,
            snapTimes=list_snap_times(self._snapping, timeline),
            chosen=self._chosen,
            selected=self._selected,
        )
        others = {n: c.label for n, c in self._controls.items() if n not in curves}
        self._add_lane.set_options(others)
        self._inspector.show(self._controls[self._chosen], curves[self._chosen], self._selected)
        for view in self._sound_views:
            settings = studio.project.look.settings
            view.show(settings.get(view.control.name, view.control.default))
        self._viewer.show()

    def _list_lanes(self) -> list[str]:
        """Return the lanes: those that were added, and all settings that have keyframes."""
        settings = self._page.studio.project.look.settings
        scheduled = [n for n in self._controls if is_scheduled(n, settings.get(n))]
        self._lanes += [name for name in scheduled if name not in self._lanes]
        self._lanes += [self._chosen] if self._chosen not in self._lanes else []
        return self._lanes


def is_scheduled(name: str, value: Any) -> bool:
    """Return whether a setting's plain value is a schedule."""
    if name == "layer":
        return value is not None and parse_layer_schedule(tuple(value)) is not None
    return isinstance(value, str)
