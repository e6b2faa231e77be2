"""The view that renders films: what is chosen of one, and the queue."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from nicegui import ui

from dreamflow.core.errors import DreamFlowError
from dreamflow.core.options.values import parse_size
from dreamflow.core.text.path_text import path_from_text
from dreamflow.media.options import EncodeOptions
from dreamflow.media.write.containers import check_encode_options
from dreamflow.studio.films.queue_document import (
    DONE,
    FAILED,
    RUNNING,
    STOPPED,
    WAITING,
    QueuedRender,
)
from dreamflow.studio.outside import FilmChoices, join_words
from dreamflow.studio.page.context import RENDER, PageContext, box, main_button, text_button
from dreamflow.studio.page.films.finished_film import FinishedFilm
from dreamflow.studio.previews import FILM
from dreamflow.studio.project import describe_error
from dreamflow.studio.studio import PROJECT, QUEUE, STRIP

SIZES = {
    "": "as the clip",
    "1920": "1920",
    "1280": "1280",
    "960": "960",
    "640": "640",
    "320": "320",
}
CODECS = ("auto", "h264", "h265", "av1", "vp9", "prores", "ffv1")
QUALITIES = ("draft", "good", "master")
PRIORITIES = {"render": "the render goes first", "preview": "previews go first"}


class RenderCard:
    """A film of the queue."""

    def __init__(self, page: PageContext, render: QueuedRender) -> None:
        self._page, self.key = page, render.key
        queue = page.studio.queue
        with box("render") as self.element:
            self._picture = box("latest", "img")
            with box("render-facts"):
                ui.label(path_from_text(render.out).name).classes("render-name")
                self._state = ui.label().classes("faint")
                self._bar = ui.linear_progress(0, show_value=False, color=None).classes("progress")
                ui.label(join_words(queue.words(render))).classes("mono command")
                with box("line tools"):
                    self._stop = text_button("Stop", lambda: self._do(queue.stop))
                    self._go_on = text_button("Go on", lambda: self._do(queue.go_on))
                    self._up = text_button("Earlier", lambda: self._move(-1))
                    self._down = text_button("Later", lambda: self._move(1))
                    self._remove = text_button("Remove", lambda: self._do(queue.remove))
                    self._play = text_button("Play", self._show_film).mark(f"play-{self.key}")
            self._film = box("film")
        self._is_playing = False

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

    def show(self, render: QueuedRender) -> None:
        """Show how it stands."""
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
        for button in (self._up, self._down):
            button.set_visibility(render.state == WAITING)
        self._remove.set_visibility(render.state != RUNNING)
        self._play.set_visibility(render.state == DONE)
        latest = queue.latest_path(render.key)
        self._picture.set_visibility(latest.exists())
        if latest.exists():
            self._picture.props["src"] = f"/latest/{render.key}?{latest.stat().st_mtime_ns}"
            self._picture.props["alt"] = "Latest frame"
            self._picture.update()


class RenderView:
    """What is chosen of a film, and the queue of films."""

    def __init__(self, page: PageContext) -> None:
        """Build it in the current place of the page."""
        self._page = page
        self._cards: dict[str, RenderCard] = {}
        self._measured: Any = None
        with box("stack"):
            ui.label("Render").classes("title")
            self._about = ui.label().classes("faint")
            with box("line path-row"):
                self._out = ui.input("Film", placeholder="dream.mp4").props(
                    "outlined dense dark debounce=500"
                )
                self._out.classes("grow").mark("film-name")
                self._size = ui.select(SIZES, value="", label="Size")
                self._codec = ui.select(list(CODECS), value=EncodeOptions.codec, label="Codec")
                self._quality = ui.select(
                    list(QUALITIES), value=EncodeOptions.quality, label="Quality"
                )
                self._first = ui.select(PRIORITIES, value="render", label="Meanwhile")
                for select in (self._size, self._codec, self._quality, self._first):
                    select.props("outlined dense dark options-dense")
                for choice in (self._out, self._size, self._codec, self._quality):
                    choice.on_value_change(self.measure)
                main_button("Render", self.add).mark("render-film")
            self._expected = ui.label().classes("faint").mark("expected-film")
            self._failure = ui.label().classes("failure")
            with box("line heading queue-heading"):
                ui.label("Films").classes("title")
                self._paused = ui.label("paused").classes("faint")
                self._pause = text_button("Pause", self.toggle_pause).mark("pause-queue")
            self._empty = ui.label("No film is in the queue.").classes("faint")
            self._list = box("renders")
        page.listeners.append(self._hear)
        self.show()

    @property
    def choices(self) -> FilmChoices | None:
        """What is chosen of the film; None before a clip is open."""
        source = self._page.studio.project.source
        if source is None:
            return None
        out = self._out.value or self._suggest_name()
        project = self._page.studio.project
        return FilmChoices(
            *(str(source.path), out, self._size.value, self._codec.value, self._quality.value),
            start=str(project.first or ""),
            end=str(project.stop or ""),
        )

    def _suggest_name(self) -> str:
        project = self._page.studio.project
        stem = project.source.path.stem if project.source else "dream"
        return f"{stem}_{project.look.name or 'dream'}.mp4".replace("/", "-")

    def add(self) -> None:
        """Put the film into the queue."""
        studio, choices = self._page.studio, self.choices
        self._failure.set_text("")
        if choices is None or not (studio.project.source and studio.project.source.is_clip):
            self._failure.set_text("Open a clip first: a picture is dreamed by `dreamflow frame`.")
            return
        try:
            out = studio.folders.check_output(choices.out)
            encode = EncodeOptions(codec=choices.codec, quality=choices.quality)
            check_encode_options(out, encode)
            if choices.size:
                parse_size(choices.size)
            studio.queue.add(
                dict(studio.project.look.settings),
                replace(choices, out=str(out)),
                stands_back=self._first.value == "preview",
            )
        except DreamFlowError as error:
            self._failure.set_text(describe_error(error))

    @property
    def _measured_choices(self) -> FilmChoices | None:
        """What is chosen of the film, but for its name, which takes no time."""
        choices = self.choices
        return choices and replace(choices, out=f"film{Path(choices.out).suffix.lower()}")

    def measure(self) -> None:
        """Have a few frames measured of the film that is chosen, unless that was asked already."""
        studio, choices = self._page.studio, self._measured_choices
        if choices is None or self._page.view != RENDER:
            return
        wanted = (choices, studio.project.look.settings)
        if wanted != self._measured:
            self._measured = wanted
            studio.previews.ask_for_film(studio.project, choices)
        self._show_expected()

    def _show_expected(self) -> None:
        choices = self._measured_choices
        self._expected.set_text(self._page.studio.expect_film(choices) if choices else "")

    def _hear(self, topic: str) -> None:
        if topic in (PROJECT, QUEUE):
            self.show()
        if topic == PROJECT:
            self.measure()
        elif topic in (FILM, STRIP):
            self._show_expected()

    def toggle_pause(self) -> None:
        """Halt the queue, or let it go on."""
        queue = self._page.studio.queue
        with self._page.telling_errors():
            (queue.resume if queue.is_paused else queue.pause)()

    def show(self) -> None:
        """Show the queue as it is now."""
        studio = self._page.studio
        source, look = studio.project.source, studio.project.look
        about = ["No clip is open."]
        if source:
            about = [source.path.name, source.duration_text, studio.project.span_text]
            about.append(look.name or "your look")
        self._about.set_text(" · ".join(filter(None, about)))
        self._out.props["placeholder"] = self._suggest_name()
        renders = studio.queue.renders
        if [render.key for render in renders] != list(self._cards):
            self._list.clear()
            with self._list:
                self._cards = {r.key: RenderCard(self._page, r) for r in renders}
        for render in renders:
            self._cards[render.key].show(render)
        self._empty.set_visibility(not renders)
        is_paused = studio.queue.is_paused
        self._pause.set_text("Go on" if is_paused else "Pause")
        self._pause.set_visibility(is_paused or any(r.state in (RUNNING, WAITING) for r in renders))
        self._paused.set_visibility(is_paused)
