"""Asks the worker for the pictures of a project, and puts its answers where they belong."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from dreamflow.studio.looks.wall import Tile
from dreamflow.studio.outside import FilmChoices
from dreamflow.studio.places import MeasuredFilm, PictureStore, Places, Shown
from dreamflow.studio.project import LookState, Project
from dreamflow.studio.worker.messages import (
    Answer,
    FilmMeasured,
    LayerFacts,
    LayersListed,
    MeasureFilm,
    PreviewDropped,
    PreviewFailed,
    PreviewPicture,
    PreviewRequest,
    WorkerReady,
    WorkerRestarted,
)
from dreamflow.studio.worker.protocol import Worker

TUNE_LANE, SOURCE_LANE, PINNED_LANE = "tune", "source", "pinned"
MOVING_LANE, WALL_LANE, FILM_LANE = "moving", "wall", "film"
TUNE_PRIORITY, MOVING_PRIORITY, FILM_PRIORITY, WALL_PRIORITY, FINE_WALL_PRIORITY = range(5)
DEFAULT_PREVIEW_SIZE = "320"
"""Longer side of a preview in pixels; that of tiles, and of what moves, always."""
MOVING_S = 0.6
"""Length of a moving preview in seconds."""
SOURCE_SETTINGS = {"iterations": 0}
"""The settings that return the source unchanged."""
PREVIEW, WALL, WORKER, LAYERS, FILM = "preview", "wall", "worker", "layers", "film"
"""What is told to have changed; a tile as `wall:PLACE`."""


class Previews:
    """The pictures of a project.

    Attributes:
        places: Where they come.
        pictures: The pictures that have come.
        worker_note: How the worker stands, in words.
        is_ready: Whether it can take requests.
    """

    def __init__(self, worker: Worker, tell: Callable[[str], None]) -> None:
        """Take a worker, and what is told of each change."""
        self.places, self.pictures = Places(), PictureStore()
        self.worker_note, self.is_ready = "loading the network", False
        self._worker, self._tell = worker, tell
        self._numbers, self._generations = itertools.count(1), itertools.count(1)
        self._wanted: dict[int, tuple[str, int]] = {}
        self._on_screen: frozenset[int] = frozenset()
        self._tile_keys, self._fine_tiles = list[bytes](), dict[bytes, Shown]()
        self._layers: dict[str, dict[str, LayerFacts]] = {}

    def layers(self, network: str) -> dict[str, LayerFacts]:
        """Return the layers of a network; none before the worker has listed them."""
        if network not in self._layers:
            self._layers[network] = {}
            self._worker.list_layers(network)
        return self._layers[network]

    def forget(self) -> None:
        """Empty all places: another source comes."""
        self.places = Places()
        self._fine_tiles.clear()

    def ask_for_dream(self, project: Project, size: str) -> None:
        """Ask for the dream of a project, coarse first; what was asked before is dropped."""
        if project.source is None:
            return
        self.places.after = replace(self.places.after, is_waiting=True, failure="")
        self._ask(
            *(project, TUNE_LANE, 0, next(self._generations), TUNE_PRIORITY, size),
            project.look.settings,
            coarse=True,
            run_in=project.run_in,
        )
        self._tell(PREVIEW)

    def ask_for_source(self, project: Project, size: str) -> None:
        """Ask for the source's frame."""
        self.places.before = replace(self.places.before, is_waiting=True)
        generation = next(self._generations)
        wanted = (project, SOURCE_LANE, 0, generation, TUNE_PRIORITY, size)
        self._ask(*wanted, SOURCE_SETTINGS)

    def ask_for_pinned(self, project: Project, size: str, pinned: LookState) -> None:
        """Ask for the look that the dream is compared with."""
        self.places.pinned = replace(self.places.pinned, is_waiting=True, failure="")
        generation = next(self._generations)
        wanted = (project, PINNED_LANE, 0, generation, TUNE_PRIORITY, size)
        self._ask(*wanted, pinned.settings, run_in=project.run_in)

    def ask_for_moving(self, project: Project, wanted: bool) -> None:
        """Ask for a moving preview, or drop what was asked."""
        generation = next(self._generations)
        if not wanted or project.source is None:
            self._worker.drop(MOVING_LANE, generation)
            return
        self.places.moving = replace(self.places.moving, is_waiting=True, failure="")
        self._ask(
            *(project, MOVING_LANE, 0, generation, MOVING_PRIORITY, DEFAULT_PREVIEW_SIZE),
            project.look.settings,
            run_in=project.run_in,
            moving_s=MOVING_S,
        )

    def ask_for_tiles(self, project: Project, tiles: Sequence[Tile]) -> None:
        """Ask for the tiles of a wall: all of them coarse before the first one is fine."""
        keys = [_make_tile_key(project, tile) for tile in tiles]
        found = [self._fine_tiles.get(key, Shown(is_waiting=True)) for key in keys]
        is_held = [bool(shown.picture and self.pictures.get(shown.picture)) for shown in found]
        self.places.tiles = [
            shown if held else Shown(is_waiting=True)
            for shown, held in zip(found, is_held, strict=True)
        ]
        self._tile_keys = keys
        generation = next(self._generations)
        self._worker.drop(WALL_LANE, generation)
        self._wanted = {n: one for n, one in self._wanted.items() if one[0] != WALL_LANE}
        for place, tile in enumerate(tiles):
            if is_held[place]:
                continue
            wanted = (project, WALL_LANE, place, generation)
            coarse = (WALL_PRIORITY, DEFAULT_PREVIEW_SIZE, tile.settings)
            self._ask(*wanted, *coarse, coarse=True, full=False)
            self._ask(*wanted, FINE_WALL_PRIORITY, DEFAULT_PREVIEW_SIZE, tile.settings)
        if self._on_screen:
            self.prefer_tiles(self._on_screen)

    def prefer_tiles(self, places: Iterable[int]) -> None:
        """Have the tiles at some places of the wall, those on the screen, dreamed first."""
        self._on_screen = wanted = frozenset(places)
        numbers = [
            number
            for number, (lane, place) in self._wanted.items()
            if lane == WALL_LANE and place in wanted
        ]
        self._worker.prefer(WALL_LANE, numbers)

    def ask_for_film(self, project: Project, film: FilmChoices) -> None:
        """Ask what a film of the project takes; what was asked before is dropped."""
        source = project.source
        if source is None or not source.is_clip:
            return
        self.places.film = MeasuredFilm(film)
        # What is answered of another film must not be taken for this one.
        self._wanted = {n: one for n, one in self._wanted.items() if one[0] != FILM_LANE}
        number = next(self._numbers)
        self._wanted[number] = (FILM_LANE, 0)
        last = (project.stop or source.frames) - 1
        self._worker.ask(
            MeasureFilm(
                number=number,
                lane=FILM_LANE,
                generation=next(self._generations),
                source=film.source,
                at=str(max(project.first, min(project.frame, last))),
                size=film.size,
                start=film.start,
                end=film.end,
                settings=dict(project.look.settings),
                priority=FILM_PRIORITY,
                suffix=Path(film.out).suffix,
                codec=film.codec,
                quality=film.quality,
            )
        )
        self._tell(FILM)

    def _ask(
        self,
        project: Project,
        lane: str,
        place: int,
        generation: int,
        priority: int,
        size: str,
        settings: Mapping[str, Any],
        *,
        coarse: bool = False,
        full: bool = True,
        run_in: int = 0,
        moving_s: float = 0.0,
    ) -> None:
        source = project.source
        if source is None:
            return
        number = next(self._numbers)
        self._wanted[number] = (lane, place)
        self._worker.ask(
            PreviewRequest(
                number=number,
                lane=lane,
                generation=generation,
                source=str(source.path),
                at=str(project.frame) if source.is_clip else "50%",
                size=size,
                run_in=run_in if source.is_clip else 0,
                start=str(project.first or ""),
                end=str(project.stop or ""),
                settings=dict(settings),
                priority=priority,
                coarse=coarse,
                full=full,
                moving_s=moving_s,
            )
        )

    def take_answer(self, answer: Answer) -> None:
        """Show what the worker has answered."""
        if isinstance(answer, WorkerReady):
            threads = f"{answer.threads} thread{'s' * (answer.threads != 1)}"
            self.is_ready, self.worker_note = True, f"ready, {threads}"
            self._tell(WORKER)
        elif isinstance(answer, WorkerRestarted):
            self.is_ready, self.worker_note = False, f"starting again: {answer.reason}"
            self._tell(WORKER)
        elif isinstance(answer, LayersListed):
            self._layers[answer.network] = {layer.name: layer for layer in answer.layers}
            self._tell(LAYERS)
        elif isinstance(answer, PreviewDropped):
            self._wanted.pop(answer.number, None)
        else:
            self._show(answer)

    def _show(self, answer: PreviewPicture | PreviewFailed | FilmMeasured) -> None:
        lane, place = self._wanted.get(answer.number, ("", 0))
        if not isinstance(answer, PreviewPicture) or answer.is_last:
            self._wanted.pop(answer.number, None)
        if not lane:
            return
        if lane == FILM_LANE or isinstance(answer, FilmMeasured):
            self._show_film(answer)
            return
        shown = self._take(answer)
        if lane == WALL_LANE:
            if place < len(self.places.tiles):
                self.places.tiles[place] = shown
                if shown.picture and not shown.is_coarse:
                    self._fine_tiles[self._tile_keys[place]] = shown
                self._tell(f"{WALL}:{place}")
            return
        names = {TUNE_LANE: "after", SOURCE_LANE: "before"}
        setattr(self.places, names.get(lane, lane), shown)
        self._tell(PREVIEW)

    def _show_film(self, answer: PreviewPicture | PreviewFailed | FilmMeasured) -> None:
        if isinstance(answer, FilmMeasured):
            self.places.film = replace(self.places.film, measured=answer)
        elif isinstance(answer, PreviewFailed):
            self.places.film = replace(self.places.film, failure=answer.message)
        self._tell(FILM)

    def _take(self, answer: PreviewPicture | PreviewFailed) -> Shown:
        """Keep an answer's picture, and return what is shown of it."""
        if isinstance(answer, PreviewFailed):
            return Shown(failure=answer.message)
        return Shown(
            self.pictures.add(answer.image, answer.media_type),
            answer.is_coarse,
            answer.is_coarse,
            notes=tuple(answer.notes),
            seconds=answer.seconds,
            width=answer.width,
            height=answer.height,
        )


def _make_tile_key(project: Project, tile: Tile) -> bytes:
    """Return what tells a tile's picture from all others of the source."""
    return msgspec.json.encode((project.frame, project.first, project.stop, tile.settings))
