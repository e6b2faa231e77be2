"""The lanes of curves, drawn and dragged in the browser."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from nicegui import ui
from nicegui.events import GenericEventArguments

from dreamflow.studio.curves.curve import Curve
from dreamflow.studio.looks.controls import SettingControl
from dreamflow.studio.page.context import show_props

EditCallback = Callable[[Mapping[str, Any]], None]
SEEK_INTERVAL_S = 0.1
"""Seconds between two frames that are asked for while the playhead is dragged."""
HEADROOM = 1.25
"""How far above its largest value a lane without a declared range reaches."""


class CurveEditor(ui.element, component="curve_editor.js", esm={"dreamflow-drawing": "drawing"}):
    """The lanes. Times in its events are seconds from the film's first frame."""

    def __init__(
        self,
        *,
        on_move: EditCallback,
        on_add: EditCallback,
        on_remove: EditCallback,
        on_choose: EditCallback,
        on_seek: EditCallback,
    ) -> None:
        """Build it in the current place of the page.

        Args:
            on_move: Takes `lane`, `place`, `seconds` and `value` of a keyframe that was dragged.
            on_add: Takes `lane`, `seconds` and `value` of a new one.
            on_remove: Takes `lane` and `place` of one to be removed.
            on_choose: Takes `lane` and `place` of one that was clicked; -1 is the lane alone.
            on_seek: Takes the `seconds` that are to be looked at.
        """
        super().__init__()
        for event, callback in (
            *(("move", on_move), ("add", on_add), ("remove", on_remove), ("choose", on_choose)),
        ):
            self.on(event, _take_arguments(callback))
        self.on("seek", _take_arguments(on_seek), throttle=SEEK_INTERVAL_S)
        self._props.update(lanes=[], length=1.0, rate=25.0, time=0.0, soundAddress="")
        self._props.update(soundNote="", snapping="", snapTimes=[], chosen="", selected=-1)

    def show(self, **props: Any) -> None:
        """Show other lanes, another time; names as in the component."""
        show_props(self, props)

    @property
    def shown(self) -> Mapping[str, Any]:
        """What it shows, by the names of the component."""
        return self._props


def _take_arguments(callback: EditCallback) -> Callable[[GenericEventArguments], None]:
    return lambda event: callback(event.args)


def describe_lane(control: SettingControl, curve: Curve) -> dict[str, Any]:
    """Return what the component draws of a lane."""
    is_of_layers = control.name == "layer"
    numbers = [point.number for point in curve.points if point.number is not None]
    numbers += [value for _, value in curve.samples]
    numbers += [] if curve.constant is None else [curve.constant]
    low, high = find_lane_range(control, numbers)
    return {
        "name": control.name,
        "label": control.label,
        "layers": is_of_layers,
        "low": low,
        "high": high,
        "step": control.step,
        "constant": curve.constant,
        "points": [asdict(point) for point in curve.points],
        "samples": [list(pair) for pair in curve.samples],
        "spans": [asdict(span) for span in curve.spans],
    }


def find_lane_range(control: SettingControl, numbers: Sequence[float]) -> tuple[float, float]:
    """Return the values at a lane's lower and upper edge: its slider's, and all that it has."""
    low = 0.0 if control.low is None else control.low
    high = 1.0 if control.high is None else control.high
    if not numbers:
        return low, high
    return min(low, *numbers), max(high, *numbers) if control.high else max(numbers) * HEADROOM
