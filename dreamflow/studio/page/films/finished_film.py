"""A finished film: played beside its source or another film, and measured on request."""

from __future__ import annotations

from fractions import Fraction

from nicegui import background_tasks, ui

from dreamflow.core.errors import DreamFlowError
from dreamflow.core.text.path_text import path_from_text
from dreamflow.studio.films.measurement import measure_film
from dreamflow.studio.films.queue_document import DONE, QueuedRender
from dreamflow.studio.page.context import PageContext, box, text_button
from dreamflow.studio.project import describe_error

NOTHING, SOURCE = "", "source"


class WipePlayer(ui.element, component="wipe_player.js"):
    """Two films over each other."""

    def __init__(self, film: str) -> None:
        """Build it in the current place of the page, with the address of a film."""
        super().__init__()
        self._props.update(film=film, other="", offset=0.0)
        self.mark("wipe-player")

    def compare_with(self, other: str, offset: float) -> None:
        """Lay it over another film; "" is none.

        Args:
            other: Its address.
            offset: Seconds in it at which the first frame of this one lies.
        """
        self._props.update(other=other, offset=offset)
        self.update()

    @property
    def shown(self) -> dict[str, str]:
        """Addresses of the film and of the other one."""
        return {name: self._props[name] for name in ("film", "other")}


class FinishedFilm:
    """A film of the queue that is done."""

    def __init__(self, page: PageContext, render: QueuedRender) -> None:
        """Build it in the current place of the page."""
        self._page, self._render = page, render
        self._player = WipePlayer(f"/films/{render.key}")
        with box("line tools"):
            self._other = ui.select(
                self._list_others(),
                value=NOTHING,
                label="Compare with",
                on_change=lambda event: self._compare(event.value),
            )
            self._other.props("dense outlined dark options-dense").mark("compare-film")
            self._measure = text_button("Measure", self._begin_measuring).mark("measure-film")
        self._verdict = ui.label().classes("mono command")
        self._verdict.set_visibility(False)
        page.studio.watch()

    def _list_others(self) -> dict[str, str]:
        studio, render = self._page.studio, self._render
        source = studio.project.source
        others = {NOTHING: "nothing"}
        if source is not None and str(source.path) == render.source:
            others[SOURCE] = "the source"
        for one in studio.queue.renders:
            if one.state == DONE and one.source == render.source and one.key != render.key:
                others[one.key] = path_from_text(one.out).name
        return others

    def _compare(self, other: str) -> None:
        begin = self._begin_s(self._render)
        if other == SOURCE:
            strips = self._page.studio.strips
            if not strips.strip.is_done:
                self._tell("The source is being made ready to play: choose it again in a moment.")
                self._other.set_value(NOTHING)
                return
            self._player.compare_with(f"/strip/{strips.key}/film.mp4", begin)
        elif other:
            (render,) = [one for one in self._page.studio.queue.renders if one.key == other]
            self._player.compare_with(f"/films/{other}", begin - self._begin_s(render))
        else:
            self._player.compare_with("", 0.0)

    def _begin_s(self, render: QueuedRender) -> float:
        """Return the seconds of the source before a film's first frame, as far as it is open."""
        source = self._page.studio.project.source
        begin = Fraction(0)
        if source is not None and str(source.path) == render.source and render.start:
            begin = source.frame_time(int(render.start))
        return float(begin)

    def _begin_measuring(self) -> None:
        self._measure.set_enabled(False)
        self._tell("measuring; it takes about as long as a few frames of the render")
        background_tasks.create(self._show_measurement())

    async def _show_measurement(self) -> None:
        try:
            verdict = await measure_film(self._render)
        except DreamFlowError as error:
            verdict = describe_error(error)
        self._tell(verdict)
        self._measure.set_enabled(True)

    def _tell(self, text: str) -> None:
        self._verdict.set_text(text)
        self._verdict.set_visibility(True)
