"""The view that tunes a look: the picture, the essentials, and a drawer with all settings."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from dreamflow.studio.looks.channels import CHANNELS_WALL
from dreamflow.studio.looks.controls import (
    ESSENTIALS,
    SOUND_SETTINGS,
    SettingControl,
    list_controls,
)
from dreamflow.studio.page.context import LOOKS, PageContext, box, text_button
from dreamflow.studio.page.tune.setting_views import SettingView
from dreamflow.studio.page.tune.viewer import Viewer
from dreamflow.studio.page.view import View
from dreamflow.studio.previews import LAYERS
from dreamflow.studio.studio import PROJECT


class TuneView(View):
    """The picture beside its settings."""

    def __init__(self, page: PageContext) -> None:
        """Build it in the current place of the page."""
        self._page = page
        controls = {control.name: control for control in list_controls()}
        self._views: list[SettingView] = []
        with box("tune"):
            self.viewer = self._viewer = Viewer(page)
            with box("panel"):
                with box("line heading"):
                    self._name = ui.label().classes("title")
                    self._keep = text_button("Keep", self._toggle_favourite).mark("keep")
                    self._undo = text_button("Undo", page.studio.undo)
                    self._redo = text_button("Redo", page.studio.redo)
                for name in ESSENTIALS:
                    self._add(controls.pop(name), is_compact=True)
                    if name == "layer":
                        text_button("Pick its channels", self._show_sheet, "pick-channels").mark(
                            "pick-channels"
                        )
                self._build_drawer(list(controls.values()))
        page.listeners.append(self._hear)
        self.show()

    def _show_sheet(self) -> None:
        with self._page.telling_errors():
            self._page.studio.wall.show(CHANNELS_WALL)
        self._page.show_view(LOOKS)

    def _toggle_favourite(self) -> None:
        with self._page.telling_errors():
            self._page.studio.toggle_favourite()

    def _build_drawer(self, controls: list[SettingControl]) -> None:
        with ui.expansion("All settings").classes("drawer") as self.drawer:
            self.search = ui.input(placeholder="Search", on_change=self._filter)
            self.search.props('dense outlined dark clearable aria-label="Search settings"')
            self.search.mark("search")
            self._groups: list[tuple[ui.element, list[SettingView]]] = []
            for title in dict.fromkeys(control.title for control in controls):
                with box("group") as group:
                    ui.label(title).classes("group-title")
                    views = [self._add(one) for one in controls if one.title == title]
                self._groups.append((group, views))

    def _add(self, control: SettingControl, *, is_compact: bool = False) -> SettingView:
        studio = self._page.studio
        view = SettingView(control, studio.set, is_compact=is_compact, page=self._page)
        self._views.append(view)
        return view

    def open_search(self) -> None:
        """Open the drawer, and search in it."""
        self.drawer.open()
        self.search.run_method("focus")

    def _filter(self) -> None:
        words = (self.search.value or "").lower().replace("-", " ").split()
        for group, views in self._groups:
            found = [self._matches(view, words) for view in views]
            for view, is_found in zip(views, found, strict=True):
                view.element.set_visibility(is_found)
            group.set_visibility(any(found))

    def _matches(self, view: SettingView, words: list[str]) -> bool:
        control = view.control
        text = f"{control.label} {control.title} {control.help} {' '.join(control.choices)}"
        return all(word in text.lower() for word in words)

    def _hear(self, topic: str) -> None:
        if topic in (PROJECT, LAYERS):
            self.show()

    def show(self) -> None:
        """Show the look as it is now."""
        project = self._page.studio.project
        settings: dict[str, Any] = dict(project.look.settings)
        self._name.set_text(project.look.name or "Your look")
        own = {n: v for n, v in settings.items() if n not in SOUND_SETTINGS}
        is_kept = self._page.studio.favourites.holds(own)
        self._keep.set_text("Let go" if is_kept else "Keep")
        self._undo.set_enabled(bool(project.past))
        self._redo.set_enabled(bool(project.future))
        layers = list(self._page.studio.layers())
        for view in self._views:
            view.offer(layers)
            view.show(settings.get(view.control.name, view.control.default))
        self._viewer.show()
