"""The page as a whole: its bar, its views, its keys."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path

from nicegui import ui

from dreamflow.studio.page.context import (
    CURVES,
    LOOKS,
    OPEN,
    RENDER,
    TUNE,
    PageContext,
    box,
    text_button,
)
from dreamflow.studio.page.curves.curves_view import CurvesView
from dreamflow.studio.page.films.render_view import RenderView
from dreamflow.studio.page.key_help import KeyHelp
from dreamflow.studio.page.keys import Keys
from dreamflow.studio.page.looks.looks_view import LooksView
from dreamflow.studio.page.open_view import OpenView
from dreamflow.studio.page.outside_view import OutsideView
from dreamflow.studio.page.tune.tune_view import TuneView
from dreamflow.studio.page.view import View
from dreamflow.studio.previews import WORKER
from dreamflow.studio.studio import PROJECT, QUEUE, SOURCE, Studio

STYLE = Path(__file__).with_name("style.css")
ACCENT = "#e9b872"
KEEP_KEYS_SCRIPT = """<script>
document.addEventListener("click", (event) => {
  if (!event.detail) return;
  event.target.closest("button")?.blur();
  if (event.target.closest(".q-menu")) setTimeout(() => {  // when it has closed
    const field = document.activeElement?.closest(".q-select");
    if (field && !document.querySelector(".q-menu")) document.activeElement.blur();
  }, 400);
});
</script>"""
"""Takes the focus from a button or a menu that was clicked, which would keep the page's keys for
itself; one that was reached by Tab keeps it."""
VIEWS: dict[str, tuple[str, Callable[[PageContext], View]]] = {
    OPEN: ("Open", OpenView),
    LOOKS: ("Looks", LooksView),
    TUNE: ("Tune", TuneView),
    CURVES: ("Curves", CurvesView),
    RENDER: ("Render", RenderView),
}
"""Title of each view, and what builds it."""


def build_page(studio: Studio) -> None:
    """Build the page of one browser tab."""
    ui.add_css(STYLE.read_text(encoding="utf-8"))
    ui.add_head_html(KEEP_KEYS_SCRIPT)
    ui.colors(primary=ACCENT)
    ui.dark_mode(value=True)
    ui.query("body").classes("studio")
    page = PageContext(studio)
    built = StudioPage(page)
    client = ui.context.client
    client.on_connect(built.build_all)
    unsubscribe = studio.subscribe(lambda topic: _tell(page, topic))
    client.on_delete(unsubscribe)


def _tell(page: PageContext, topic: str) -> None:
    for listener in list(page.listeners):
        listener(topic)


class StudioPage:
    """The bar, the views and the keys.

    A view is built when it is shown first: the page is up before the others are there.
    """

    def __init__(self, page: PageContext) -> None:
        """Build the bar and the first view."""
        self._page = page
        page.show_view = self.show_view
        page.studio.layers()  # asked for now: they are there when a view needs them
        self._build_bar()
        page.message = ui.label().classes("message").props('role="status"')
        page.message.set_visibility(False)
        self._views: dict[str, View] = {}
        with box("views", "main"):
            self._places = {view: box("view") for view in VIEWS}
            self._dialogs = box("dialogs")
        self._outside: OutsideView | None = None
        self._key_help: KeyHelp | None = None
        dialogs = {"c": self._open_outside, "?": self._open_key_help}
        keys = Keys(page, list(VIEWS), lambda: self._find_view(page.view), dialogs)
        ui.keyboard(on_key=keys.take)
        page.listeners.append(self._hear)
        self._queue_notes = list(page.studio.queue.notes)
        notes = [*page.studio.recent.notes, *page.studio.favourites.notes, *self._queue_notes]
        self.show_view(LOOKS if page.studio.project.source else OPEN)
        page.tell_source(page.studio.source_note)
        page.tell(" \u00b7 ".join(notes))
        self._hear(WORKER)
        self._hear(PROJECT)

    def _build_bar(self) -> None:
        with box("bar", "header"):
            ui.label("DreamFlow").classes("brand")
            self._tabs: dict[str, ui.button] = {}
            with box("tabs", "nav"):
                for view, (title, _) in VIEWS.items():
                    tab = ui.button(title, on_click=partial(self.show_view, view), color=None)
                    self._tabs[view] = tab.props("flat no-caps unelevated").classes("tab")
                    tab.mark(f"tab-{view}")
            self._source = ui.label().classes("source")
            self._worker = ui.label().classes("worker")
            text_button("Command", self._open_outside, "command-button")
            text_button("Keys", self._open_key_help, "keys-button")

    async def build_all(self) -> None:
        """Build what is not there yet."""
        for view in VIEWS:
            self._find_view(view)
            await asyncio.sleep(0)  # the pictures that have come meanwhile go first

    def _find_view(self, view: str) -> View:
        """Return a view; it is built where it is not there yet."""
        if view not in self._views:
            _, make = VIEWS[view]
            with self._places[view]:
                self._views[view] = make(self._page)
        return self._views[view]

    def _open_outside(self) -> None:
        if self._outside is None:
            with self._dialogs:
                self._outside = OutsideView(self._page)
        self._outside.open()

    def _open_key_help(self) -> None:
        if self._key_help is None:
            with self._dialogs:
                self._key_help = KeyHelp()
        self._key_help.open()

    def show_view(self, view: str) -> None:
        """Show a view; those of a source need one."""
        source = self._page.studio.project.source
        if view in (LOOKS, TUNE, CURVES) and source is None:
            view = OPEN
        if view == CURVES and source and not source.is_clip:
            self._page.tell("A picture has no curves: open a clip.")
            view = TUNE
        if view != self._page.view:
            ui.run_javascript("scrollTo(0, 0)")
        self._page.view = view
        shown = self._find_view(view)
        for name, place in self._places.items():
            place.set_visibility(name == view)
        for name, tab in self._tabs.items():
            tab.props["aria-current"] = "page" if name == view else "false"
            tab.update()
        shown.enter()
        if view in (TUNE, CURVES, RENDER):
            self._page.studio.watch()

    def _hear(self, topic: str) -> None:
        studio = self._page.studio
        if topic == WORKER:
            is_ready = studio.previews.is_ready
            self._worker.set_text(studio.previews.worker_note)
            self._worker.classes(
                add="ready" if is_ready else "", remove="" if is_ready else "ready"
            )
        if topic == QUEUE and studio.queue.notes != self._queue_notes:
            self._queue_notes = list(studio.queue.notes)
            self._page.tell(" \u00b7 ".join(self._queue_notes))
        if topic == SOURCE:
            self._page.tell_source(studio.source_note)
        if topic == PROJECT and studio.project.source is not None:
            source = studio.project.source
            self._source.set_text(f"{source.path.name} · {source.duration_text}")
