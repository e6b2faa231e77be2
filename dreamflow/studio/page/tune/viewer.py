"""The picture: the source and its dream under a wipe, the frame, and a moving preview."""

from __future__ import annotations

from nicegui import ui

from dreamflow.studio.looks.controls import compare_looks
from dreamflow.studio.page.context import (
    PageContext,
    box,
    picture_address,
    set_picture,
    text_button,
)
from dreamflow.studio.page.tune.matte.painting import Painting
from dreamflow.studio.page.tune.timeline import Timeline
from dreamflow.studio.previews import PREVIEW
from dreamflow.studio.studio import PREVIEW_SIZES, PROJECT, STRIP

WIPE_HANDLER = "(e) => e.target.parentElement.style.setProperty('--cut', e.target.value + '%')"
"""Moves the wipe in the browser, without asking the server."""
TOGGLE_BEFORE = (
    "for (const wipe of document.querySelectorAll('.viewer .cut')) "
    "{ wipe.value = wipe.value > 50 ? 0 : 100; wipe.dispatchEvent(new Event('input')); }"
)
"""Shows all of the source, or none of it, wherever the picture is."""


class Viewer:
    """Shows the preview."""

    def __init__(self, page: PageContext, *, is_small: bool = False) -> None:
        """Build it in the current place of the page.

        Args:
            page: The tab.
            is_small: Whether it leaves out the frame and the tools, which are elsewhere.
        """
        self._page, self._is_small = page, is_small
        with box("viewer-column small" if is_small else "viewer-column") as self._column:
            with box("viewer") as self._viewer:
                self._after = box("after", "img")
                self._moving = box("moving", "img")
                self._before = box("before", "img")
                video = box("source-film", "video")
                for name in ("muted", "playsinline"):
                    video.props[name] = True
                wipe = box("cut", "input")
                for name, value in (
                    *(("type", "range"), ("min", "0"), ("max", "100"), ("step", "0.1")),
                    *(("value", "0"), ("aria-label", "How much of the source is shown")),
                ):
                    wipe.props[name] = value
                wipe.on("input", js_handler=WIPE_HANDLER)
                box("knob")
                self.painting = None if is_small else Painting(page, self._column)
                self._busy = box("busy")
            self._failure = ui.label().classes("failure")
            self._note = ui.label().classes("faint viewer-note")
            self._difference = ui.label().classes("faint")
            with box("stack-line") as self._below:
                self._build_time(page)
            self._below.set_visibility(not is_small)
        page.listeners.append(self._hear)

    def _build_time(self, page: PageContext) -> None:
        if self.painting:
            self.painting.build_tools()
        with box("line time-row") as self._time_row:
            with box("timeline-place"):
                self.timeline = Timeline(page.studio.seek, self._take_play)
                self._strip_note = ui.label().classes("strip-note")
            self._time = ui.label().classes("mono")
        with box("line tools"):
            self._play_source = text_button("Play", self.play).mark("play")
            self._mute = text_button("Sound off", self._toggle_muted).mark("mute")
            self._play = text_button("Moving preview", self.toggle_moving)
            with box("line tools") as self._span:
                text_button("In", page.studio.begin_here).tooltip("The film begins here")
                text_button("Out", page.studio.end_here).tooltip("The film ends here")
                self._all = text_button("All", page.studio.take_all)
                self._span_text = ui.label().classes("faint")
            if self.painting:
                text_button("Paint a matte", self.painting.toggle).mark("paint")
            self._pin = text_button("Compare with this", self.toggle_pin).mark("pin")
            self._run_in = ui.select(
                {0: "no run-in", 5: "run-in of 5", 12: "run-in of 12"},
                value=0,
                on_change=lambda event: self._page.studio.set_run_in(event.value),
            ).props("dense outlined dark options-dense")
            with self._run_in:
                told = "Dreams the frames before it too: what the film will show there"
                ui.tooltip(told).props('anchor="top middle" self="bottom middle"')
            self._size = ui.select(
                {size: f"{size} px" for size in PREVIEW_SIZES},
                value=self._page.studio.preview_size,
                on_change=lambda event: self._page.studio.set_preview_size(event.value),
            ).props("dense outlined dark options-dense")

    def play(self) -> None:
        """Play the source, or halt it."""
        self.timeline.run_method("toggle")

    def _toggle_muted(self) -> None:
        self._mute.set_text("Sound on" if self.timeline.toggle_muted() else "Sound off")

    def shuttle(self, way: int) -> None:
        """Play backwards (-1) or forwards (1), faster each time; or halt (0)."""
        self.timeline.run_method("shuttle", way)

    def _take_play(self, is_playing: bool) -> None:
        self._play_source.set_text("Pause" if is_playing else "Play")

    def toggle_moving(self) -> None:
        """Begin or end the moving preview."""
        self._page.studio.set_moving(not self._page.studio.is_moving)

    def toggle_pin(self) -> None:
        """Compare with the look as it is now, or with the source again."""
        studio = self._page.studio
        (studio.pin if studio.pinned is None else studio.unpin)()

    def toggle_before(self) -> None:
        """Show all of the source, or none of it."""
        ui.run_javascript(TOGGLE_BEFORE)

    def _hear(self, topic: str) -> None:
        if topic in (PROJECT, PREVIEW):
            self.show()
        elif topic == STRIP:
            self._show_strip()

    def _show_strip(self) -> None:
        studio = self._page.studio
        self.timeline.show(studio)
        strip, source = studio.strips.strip, studio.project.source
        is_missing = bool(studio.strips.key) and not strip.is_done
        self._play_source.set_enabled(strip.is_done)
        self._mute.set_visibility(strip.is_done and bool(self.timeline.sound))
        share = strip.frames / source.frames if source else 0
        told = f"getting ready to play, {share:.0%}" if is_missing else ""
        self._strip_note.set_text(strip.failure or told)
        self._note.set_text(self._describe())

    def show(self) -> None:
        """Show the pictures and the frame as they are now."""
        studio = self._page.studio
        project, places = studio.project, studio.places
        if project.source is None:
            return
        set_picture(self._after, picture_address(places.after), "The dream")
        before = places.before if studio.pinned is None else places.pinned
        what = "The source" if studio.pinned is None else "The look before"
        set_picture(self._before, picture_address(before), what)
        self._show_difference()
        moving = picture_address(places.moving) if studio.is_moving else ""
        set_picture(self._moving, moving, "The dream, moving")
        self._viewer.style(f"--shape: {project.source.width} / {project.source.height}")
        is_waiting = places.after.is_waiting or (studio.is_moving and places.moving.is_waiting)
        self._busy.set_visibility(is_waiting)
        failure = places.after.failure or (places.moving.failure if studio.is_moving else "")
        self._failure.set_text(failure)
        self._failure.set_visibility(bool(failure))
        self._note.set_text(self._describe())
        if self.painting:
            self.painting.show()
        self._show_time()

    def _show_difference(self) -> None:
        """Say how the look differs from that which it is compared with."""
        studio = self._page.studio
        pinned = studio.pinned
        self._pin.set_text("Compare with this" if pinned is None else "Compare with the source")
        self._difference.set_visibility(pinned is not None)
        if pinned is not None:
            changes = compare_looks(pinned.settings, studio.project.look.settings)
            self._difference.set_text(f"from left to right: {', '.join(changes) or 'no change'}")

    def _describe(self) -> str:
        places = self._page.studio.places
        after = places.after
        if after.is_waiting and not after.picture:
            return "dreaming"
        damage = self._page.studio.strips.strip.damage
        size = f"{after.width}x{after.height} · {after.seconds:.2f} s" if after.width else ""
        # Until the next picture comes, the one that is there is of the look or the frame before.
        coming = "dreaming anew" if after.is_waiting else ""
        how = "coarse, finer to come" if after.is_coarse else coming
        return " · ".join(filter(None, [size, how, *after.notes, *places.moving.notes, *damage]))

    def _show_time(self) -> None:
        studio = self._page.studio
        source, frame = studio.project.source, studio.project.frame
        assert source is not None
        self._time_row.set_visibility(source.is_clip)
        self._play.set_visibility(source.is_clip)
        self._play_source.set_visibility(source.is_clip)
        self._span.set_visibility(source.is_clip)
        self._span_text.set_text(studio.project.span_text)
        self._all.set_visibility(bool(studio.project.span_text))
        self._run_in.set_visibility(source.is_clip)
        self._play.set_text("Stop moving" if studio.is_moving else "Moving preview")
        if not source.is_clip:
            return
        if self._run_in.value != studio.project.run_in and studio.project.run_in in (0, 5, 12):
            self._run_in.set_value(studio.project.run_in)
        if self._size.value != studio.preview_size:
            self._size.set_value(studio.preview_size)
        self._time.set_text(f"{float(frame / source.rate):.2f} s · {frame}")
        self._show_strip()
