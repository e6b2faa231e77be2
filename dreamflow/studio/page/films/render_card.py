"""A film of the queue: how it stands, and what may be done with it."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from dreamflow.core.text.path_text import path_from_text
from dreamflow.studio.films.queue_document import (
    DONE,
    FAILED,
    RUNNING,
    STOPPED,
    WAITING,
    QueuedRender,
)
from dreamflow.studio.outside import join_words
from dreamflow.studio.page.command_text import CommandText
from dreamflow.studio.page.context import PageContext, box, text_button
from dreamflow.studio.page.films.finished_film import FinishedFilm


class RenderCard:
    """A film of the queue."""

    def __init__(self, page: PageContext, render: QueuedRender) -> None:
        """Build it in the current place of the page."""
        self._page, self.key = page, render.key
        self._name = path_from_text(render.out).name
        queue = page.studio.queue
        with box("render") as self.element:
            self._grip = box("grip", "button").mark(f"grip-{self.key}")
            self._grip.props["type"] = "button"
            self._grip.props["data-key"] = self.key
            self._picture = box("latest", "img")
            with box("render-facts"):
                ui.label(self._name).classes("render-name")
                self._state = ui.label().classes("faint")
                self._bar = ui.linear_progress(0, show_value=False, color=None).classes("progress")
                CommandText(join_words(queue.words(render)))
                with box("line tools"):
                    self._play = text_button("Play", self._show_film).mark(f"play-{self.key}")
                    self._stop = text_button("Stop", lambda: self._do(queue.stop))
                    self._go_on = text_button("Go on", lambda: self._do(queue.go_on))
                    self._up = text_button("Earlier", lambda: self._move(-1))
                    self._down = text_button("Later", lambda: self._move(1))
                    self._remove = text_button("Remove", lambda: self._do(queue.remove))
            self._film = box("film")
        self._is_playing = False

    def delete(self) -> None:
        """Take it from the page."""
        self.element.delete()

    def _do(self, action: Any) -> None:
        with self._page.telling_errors():
            action(self.key)

    def _move(self, by: int) -> None:
        with self._page.telling_errors():
            self._page.studio.queue.move(self.key, by)

    def _show_film(self) -> None:
        self._is_playing = not self._is_playing
        self._film.clear()
        if self._is_playing:
            render = next(one for one in self._page.studio.queue.renders if one.key == self.key)
            with self._film:
                FinishedFilm(self._page, render)

    def show(self, render: QueuedRender, place: str = "") -> None:
        """Show how it stands.

        Args:
            render: The film.
            place: Its place among those that wait, in words; "" where it does not.
        """
        queue = self._page.studio.queue
        progress = queue.progress(render.key)
        share = progress.done / progress.total if progress.total else 0.0
        words = [render.state]
        if render.state == RUNNING and queue.is_paused:
            words = ["saving what it has"]
        elif render.state == RUNNING and progress.total:
            words.append(f"{int(progress.done)} of {int(progress.total)} frames")
            if progress.seconds_left is not None:
                words.append(f"{progress.seconds_left:.0f} s left")
        self._state.set_text(" · ".join([*words, *([render.message] if render.message else [])]))
        self._bar.set_value(1.0 if render.state == DONE else share)
        self._stop.set_visibility(render.state in (RUNNING, WAITING))
        self._go_on.set_visibility(render.state in (STOPPED, FAILED))
        for button in (self._grip, self._up, self._down):
            button.set_visibility(render.state == WAITING)
        label = f"Move {self._name}, {place}: drag it, or press the up and down arrow keys"
        if self._grip.props.get("aria-label") != label:
            self._grip.props["aria-label"] = label
            self._grip.update()
        self._remove.set_visibility(render.state != RUNNING)
        self._play.set_visibility(render.state == DONE)
        latest = queue.latest_path(render.key)
        self._picture.set_visibility(latest.exists())
        if latest.exists():
            self._picture.props["src"] = f"/latest/{render.key}?{latest.stat().st_mtime_ns}"
            self._picture.props["alt"] = "Latest frame"
            self._picture.update()
