"""The timeline below the picture, drawn and played in the browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from nicegui import ui

from dreamflow.studio.page.context import show_props
from dreamflow.studio.strip.make import THUMBNAILS
from dreamflow.studio.studio import Studio

SEEK_INTERVAL_S = 0.12
"""Seconds between two frames that are asked for while the playhead is dragged."""


class Timeline(ui.element, component="timeline.js"):
    """Thumbnails, shots, in and out points and the playhead of a clip."""

    def __init__(self, on_seek: Callable[[float], None], on_play: Callable[[bool], None]) -> None:
        """Build it in the current place of the page.

        Args:
            on_seek: Takes the seconds that are to be looked at.
            on_play: Takes whether the source plays.
        """
        super().__init__()
        self.on("seek", lambda event: on_seek(event.args["seconds"]), throttle=SEEK_INTERVAL_S)
        self.on("play", lambda event: on_play(bool(event.args["isPlaying"])))
        self._props.update(length=1.0, time=0.0, first=0.0, stop=1.0, frame=0.04, film="", sound="")
        self._props.update(isMuted=False, cuts=[], thumbnails=[], thumbnailCount=THUMBNAILS)

    def show(self, studio: Studio) -> None:
        """Show the studio's source and frame."""
        project, source = studio.project, studio.project.source
        if source is None or not source.is_clip:
            return
        strip, key = studio.strips.strip, studio.strips.key
        props: dict[str, Any] = {
            "length": float(source.frame_time(source.frames)),
            "time": float(source.frame_time(project.frame)),
            "first": float(source.frame_time(project.first)),
            "stop": float(source.frame_time(project.stop or source.frames)),
            "frame": float(1 / source.rate),
            "cuts": [float(source.frame_time(cut)) for cut in strip.cuts],
            "thumbnails": [
                {"time": float(source.frame_time(n)), "address": f"/strip/{key}/{n}.jpg"}
                for n in strip.thumbnails
            ],
            "thumbnailCount": max(1, min(source.frames, THUMBNAILS)),
            "sound": studio.sound.played_address,
            "film": f"/strip/{key}/film.mp4" if strip.is_done else "",
        }
        show_props(self, props)

    def toggle_muted(self) -> bool:
        """Play without its sound, or with it again; returns whether it is muted now."""
        self._props["isMuted"] = not self._props["isMuted"]
        self.update()
        return bool(cast(bool, self._props["isMuted"]))

    @property
    def sound(self) -> str:
        """Address of the sound that is heard; "" for none."""
        return str(cast(str, self._props["sound"]))
