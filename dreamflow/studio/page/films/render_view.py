"""The view that renders films: what is chosen of one, and the queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nicegui import ui

from dreamflow.core.errors import DreamFlowError
from dreamflow.core.options.values import parse_size
from dreamflow.media.options import EncodeOptions
from dreamflow.media.write.containers import check_encode_options
from dreamflow.studio.films.queue_document import RUNNING, WAITING, QueuedRender
from dreamflow.studio.outside import FilmChoices
from dreamflow.studio.page.context import RENDER, PageContext, box, main_button, text_button
from dreamflow.studio.page.films.render_card import RenderCard
from dreamflow.studio.page.films.render_list import RenderList
from dreamflow.studio.page.view import View
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


class RenderView(View):
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
                    "outlined dense dark stack-label debounce=500"
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
            self._list = RenderList(self._move)
        page.listeners.append(self._hear)
        self.show()

    def enter(self) -> None:
        """Measure the film that is chosen."""
        self.measure()

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
        self._arrange_cards(renders)
        waiting = [render for render in renders if render.state == WAITING]
        for render in renders:
            place = ""
            if render in waiting:
                place = f"place {waiting.index(render) + 1} of {len(waiting)}"
            self._cards[render.key].show(render, place)
        self._empty.set_visibility(not renders)
        is_paused = studio.queue.is_paused
        self._pause.set_text("Go on" if is_paused else "Pause")
        self._pause.set_visibility(is_paused or any(r.state in (RUNNING, WAITING) for r in renders))
        self._paused.set_visibility(is_paused)

    def _arrange_cards(self, renders: Sequence[QueuedRender]) -> None:
        """Have a card for each film, in their order; those that stay keep what they show."""
        keys = [render.key for render in renders]
        if keys == list(self._cards):
            return
        for key in self._cards.keys() - keys:
            self._cards.pop(key).delete()
        with self._list:
            new = {r.key: RenderCard(self._page, r) for r in renders if r.key not in self._cards}
        self._cards = {key: (self._cards | new)[key] for key in keys}
        for place, card in enumerate(self._cards.values()):
            if self._list.default_slot.children[place] is not card.element:
                card.element.move(self._list, target_index=place)

    def _move(self, key: str, by: int) -> None:
        with self._page.telling_errors():
            self._page.studio.queue.move(key, by)
