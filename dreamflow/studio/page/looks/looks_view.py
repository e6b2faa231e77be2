"""The wall of looks: the frame dreamed by every preset, or by every layer of a category."""

from __future__ import annotations

from functools import partial
from typing import Any

from nicegui import ui

from dreamflow.studio.looks.channels import CHANNELS_WALL, ChannelSheet
from dreamflow.studio.looks.wall import (
    FAVOURITES_WALL,
    PRESETS_WALL,
    VARIATIONS_WALL,
    list_categories,
)
from dreamflow.studio.page.context import (
    LOOKS,
    TUNE,
    PageContext,
    box,
    picture_address,
    set_picture,
    text_button,
)
from dreamflow.studio.page.looks.wall_grid import WallGrid
from dreamflow.studio.page.view import View
from dreamflow.studio.places import Shown
from dreamflow.studio.previews import LAYERS, WALL
from dreamflow.studio.studio import PROJECT

WALLS = (PRESETS_WALL, VARIATIONS_WALL, FAVOURITES_WALL, CHANNELS_WALL)
"""The walls that are always there."""
TILES_WITH_DIGITS = 9
"""Tiles that are taken by a digit."""


class TileView:
    """A look on the wall."""

    def __init__(self, page: PageContext, place: int, name: str, about: str) -> None:
        self._page, self._place, self._name = page, place, name
        with box("tile", "button").mark(f"tile-{place}") as self.element:
            self.element.props["type"] = "button"
            self.element.on("click", self.take)
            with box("tile-picture"):
                self._picture = ui.element("img")
                if place < TILES_WITH_DIGITS:
                    self.element.props["aria-keyshortcuts"] = str(place + 1)
                    digit = ui.label(str(place + 1)).classes("tile-digit")
                    digit.props["aria-hidden"] = "true"
                self._state = ui.label().classes("tile-state")
            ui.label(name).classes("tile-name")
            ui.label(about).classes("tile-about")

    def take(self) -> None:
        """Take the look; on the sheet of channels, dream on its channel."""
        tile = self._page.studio.wall.tiles[self._place]
        with self._page.telling_errors():
            if self._page.studio.wall.name == CHANNELS_WALL:
                self._page.studio.pick_channel(self._place)
                return
            self._page.studio.take(tile.settings, tile.name)
            # From a neighbour one goes on to its own neighbours.
            is_on_the_way = self._page.studio.wall.name == VARIATIONS_WALL
            self._page.show_view(LOOKS if is_on_the_way else TUNE)

    def show_picked(self, is_picked: bool | None) -> None:
        """Show whether it is picked; None where it is not that kind of tile."""
        pressed = None if is_picked is None else str(is_picked).lower()
        if self.element.props.get("aria-pressed") != pressed:
            self.element.props["aria-pressed"] = pressed
            self.element.update()

    def show(self, shown: Shown) -> None:
        """Show what has come."""
        set_picture(self._picture, picture_address(shown), self._name)
        self._state.set_text(shown.failure or ("" if shown.picture else "waiting"))
        self._state.set_visibility(bool(shown.failure or not shown.picture))
        self.element.classes(
            add="coarse" if shown.is_coarse else "", remove="" if shown.is_coarse else "coarse"
        )


class LooksView(View):
    """The wall and what chooses it."""

    def __init__(self, page: PageContext) -> None:
        """Build it in the current place of the page."""
        self._page = page
        self._views: list[TileView] = []
        self._shown_tiles: Any = None
        with box("stack wide"):
            with box("line heading"):
                ui.label("Looks").classes("title")
                self._count = ui.label().classes("faint")
            self._choices = box("line chips")
            self._hint = ui.label().classes("faint")
            self._grid = WallGrid(page.studio.previews.prefer_tiles)
            self._more = text_button("More channels", self._show_more).mark("more-channels")
        page.listeners.append(self._hear)

    def enter(self) -> None:
        """Show the wall of the project as it is now."""
        self._choose(self._page.studio.wall.name)

    def take_digit(self, digit: int) -> bool:
        """Take one of the first tiles."""
        has_tile = 1 <= digit <= min(len(self._views), TILES_WITH_DIGITS)
        if has_tile:
            self._views[digit - 1].take()
        return has_tile

    def _choose(self, wall: str) -> None:
        with self._page.telling_errors():
            self._page.studio.wall.show(wall)
        self._build()

    def _hear(self, topic: str) -> None:
        if self._page.view != LOOKS:
            return
        if topic in (PROJECT, LAYERS):
            self.enter()
        elif topic == WALL:
            self._build()
        elif topic.startswith(f"{WALL}:"):
            place = int(topic.partition(":")[2])
            if place < len(self._views):
                self._views[place].show(self._page.studio.places.tiles[place])
            self._tell_count()

    def _build(self) -> None:
        """Build the tiles, unless the same ones are there."""
        studio = self._page.studio
        self._build_choices()
        if source := studio.project.source:
            self._grid.style(f"--shape: {source.width} / {source.height}")
        names = [(tile.name, tile.about) for tile in studio.wall.tiles]
        if names != self._shown_tiles:
            self._shown_tiles = names
            self._grid.clear()
            with self._grid:
                self._views = [
                    TileView(self._page, place, *name) for place, name in enumerate(names)
                ]
        for view, shown in zip(self._views, studio.places.tiles, strict=True):
            view.show(shown)
        self._show_sheet()
        self._tell_count()

    def _show_sheet(self) -> None:
        """Show which channels are picked, on the wall of channels."""
        studio = self._page.studio
        sheet = studio.wall.sheet if studio.wall.name == CHANNELS_WALL else None
        for channel, view in enumerate(self._views):
            view.show_picked(channel in sheet.picked if sheet else None)
        self._more.set_visibility(sheet is not None and len(self._views) < sheet.count)

    def _show_more(self) -> None:
        with self._page.telling_errors():
            self._page.studio.wall.show_more_channels()

    def _choose_layer(self, layer: str) -> None:
        with self._page.telling_errors():
            self._page.studio.set("layer", [layer])

    def _build_sheet_choices(self) -> None:
        studio = self._page.studio
        sheet = studio.wall.sheet
        layers = list(studio.layers())
        layer = ui.select(
            layers,
            value=sheet.layer if sheet else None,
            label="Layer",
            with_input=True,
            on_change=lambda event: self._choose_layer(event.value),
        )
        layer.props("dense outlined dark options-dense").mark("sheet-layer")
        text_button("Tune it", lambda: self._page.show_view(TUNE))

    def _build_choices(self) -> None:
        studio = self._page.studio
        categories = list_categories(studio.layers())
        self._choices.clear()
        with self._choices:
            for wall in (*WALLS, *categories):
                chip = ui.button(wall, on_click=partial(self._choose, wall), color=None)
                chip.props("flat no-caps unelevated").classes("chip")
                chip.props["aria-pressed"] = "true" if wall == studio.wall.name else "false"
                chip.mark(f"wall-{wall}")
            if studio.wall.name == CHANNELS_WALL:
                self._build_sheet_choices()
            if studio.wall.name == VARIATIONS_WALL:
                text_button("Others", self._vary_again).mark("vary-again")
        hints = {
            VARIATIONS_WALL: "Eight neighbours of your look, one thing changed in each. Take one, "
            "and its own neighbours come; undo goes back.",
            CHANNELS_WALL: describe_sheet(studio.wall.sheet),
            FAVOURITES_WALL: "" if studio.wall.tiles else "Keep a look in Tune, and it is here.",
        }
        self._hint.set_text(hints.get(studio.wall.name, ""))
        self._hint.set_visibility(bool(self._hint.text))

    def _vary_again(self) -> None:
        with self._page.telling_errors():
            self._page.studio.wall.vary_again()
        self._build()

    def _tell_count(self) -> None:
        tiles = self._page.studio.places.tiles
        shown = sum(bool(tile.picture or tile.failure) for tile in tiles)
        is_fine = all(not tile.is_waiting for tile in tiles)
        waiting = "finer to come" if shown == len(tiles) else f"{shown} of {len(tiles)}"
        self._count.set_text("" if is_fine else waiting)


def describe_sheet(sheet: ChannelSheet | None) -> str:
    """Return a line on what a channel sheet shows, and what is picked on it."""
    if sheet is None:
        return "Choose one layer, which stays: its channels come here."
    if not sheet.picked:
        return f"Click channels of {sheet.layer} to dream on them alone; now on all {sheet.count}."
    return f"Dreaming on {len(sheet.picked)} of {sheet.count} channels of {sheet.layer}."
