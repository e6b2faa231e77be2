"""The studio without its page: one project, one worker, one queue, whoever looks at them."""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import platformdirs

from dreamflow.core.machine.options import MachineOptions
from dreamflow.networks.loading import network_layers
from dreamflow.networks.network import Layer
from dreamflow.networks.weights.registry import DEFAULT_NETWORK
from dreamflow.studio.favourites import Favourites
from dreamflow.studio.folders import OpenFolders
from dreamflow.studio.project import Project, SourceFacts, read_source_facts
from dreamflow.studio.renders import RenderQueue
from dreamflow.studio.variations import make_variations
from dreamflow.studio.wall import (
    FAVOURITES_WALL,
    PRESETS_WALL,
    VARIATIONS_WALL,
    Tile,
    list_wall,
)
from dreamflow.studio.worker import (
    Answer,
    PreviewDropped,
    PreviewFailed,
    PreviewPicture,
    PreviewRequest,
    WorkerReady,
    WorkerRestarted,
)

MAX_PICTURES = 300
"""Pictures that are held at once; those of the wall are about 100 kB each."""
TUNE_LANE, MOVING_LANE, WALL_LANE = "tune", "moving", "wall"
TUNE_PRIORITY, MOVING_PRIORITY, WALL_PRIORITY, FINE_WALL_PRIORITY = range(4)
WALL_SIZE = "320"
"""Longer side of a tile's dream in pixels."""
PREVIEW_SIZES = ("240", "320", "480", "640", "960")
DEFAULT_PREVIEW_SIZE = "320"
MOVING_S = 0.6
"""Length of a moving preview in seconds."""
SOURCE_SETTINGS = {"iterations": 0}
"""The settings that return the source unchanged."""

Topic = str
PROJECT, PREVIEW, WALL, WORKER, QUEUE = "project", "preview", "wall", "worker", "queue"
"""What a listener is told has changed."""


class Worker(Protocol):
    """What the studio needs of a `PreviewWorker`."""

    def start(self) -> None:
        """Start it."""
        ...

    def ask(self, request: PreviewRequest) -> None:
        """Put a request."""
        ...

    def drop(self, lane: str, generation: int) -> None:
        """Drop the requests of a lane that are older than a generation."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class PictureStore:
    """Pictures that the page may show, by keys that cannot be guessed."""

    def __init__(self) -> None:
        self._pictures: OrderedDict[str, tuple[bytes, str]] = OrderedDict()

    def add(self, image: bytes, media_type: str) -> str:
        """Keep a picture's file, and return its key."""
        key = secrets.token_urlsafe(9)
        self._pictures[key] = (image, media_type)
        while len(self._pictures) > MAX_PICTURES:
            self._pictures.popitem(last=False)
        return key

    def get(self, key: str) -> tuple[bytes, str] | None:
        """Return a picture's file and its media type; None where it is not held any more."""
        return self._pictures.get(key)


@dataclass(frozen=True)
class Shown:
    """A place on the page where a picture comes.

    Attributes:
        picture: Key of the picture that is there; "" before one has come.
        is_coarse: Whether a finer one is coming.
        is_waiting: Whether another picture than this is coming.
        failure: Why none comes, or "".
        notes: What was lost or changed on the way.
        seconds: How long the picture took.
        width: In pixels.
        height: In pixels.
    """

    picture: str = ""
    is_coarse: bool = False
    is_waiting: bool = False
    failure: str = ""
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    width: int = 0
    height: int = 0


@dataclass
class Places:
    """All places where pictures come.

    Attributes:
        before: The source.
        after: The dream.
        moving: The moving preview.
        tiles: The wall's.
    """

    before: Shown = field(default_factory=Shown)
    after: Shown = field(default_factory=Shown)
    moving: Shown = field(default_factory=Shown)
    tiles: list[Shown] = field(default_factory=list)


class Studio:
    """The one state behind all browser tabs.

    Attributes:
        folders: What may be read and written.
        queue: The films.
        favourites: The looks that are kept.
        project: What is worked on.
        places: The pictures of it.
        wall: Which wall is shown.
        tiles: The looks on it.
        preview_size: Longer side of the preview in pixels.
        worker_note: How the worker stands, in words.
        is_ready: Whether it can take requests.
        is_moving: Whether a moving preview is wanted.
    """

    def __init__(
        self,
        folders: OpenFolders,
        queue: RenderQueue,
        machine: MachineOptions,
        make_worker: Callable[[Callable[[Answer], None], MachineOptions], Worker],
    ) -> None:
        """Put it together; `start` starts it."""
        self.folders, self.queue, self.machine = folders, queue, machine
        self.favourites = Favourites(queue.folder)
        self.project, self.places, self.pictures = Project(), Places(), PictureStore()
        self.wall, self.tiles = PRESETS_WALL, list[Tile]()
        self.preview_size = DEFAULT_PREVIEW_SIZE
        self.worker_note, self.is_ready, self.is_moving = "loading the network", False, False
        self._worker = make_worker(self._hear, machine)
        self._numbers, self._generations = itertools.count(1), itertools.count(1)
        self._wanted: dict[int, tuple[str, int]] = {}
        self._listeners: dict[int, Callable[[Topic], None]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wall_key: Any = None
        self._variation_round = 0

    def start(self) -> None:
        """Start the worker and the queue, and pass their news on to the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._worker.start()
        self.queue.start()

    def close(self) -> None:
        """End the worker, and let go of the queue; renders go on."""
        self._worker.close()
        self.queue.close()

    def subscribe(self, listener: Callable[[Topic], None]) -> Callable[[], None]:
        """Have a function called at each change; returns a function that ends this."""
        key = next(self._numbers)
        self._listeners[key] = listener

        def unsubscribe() -> None:
            self._listeners.pop(key, None)

        return unsubscribe

    def tell_queue(self) -> None:
        """Tell that the queue has changed; may be called by any thread."""
        self._in_loop(lambda: self._tell(QUEUE))

    # --- the project

    def open(self, text: str) -> SourceFacts:
        """Open a source by its path.

        Raises:
            MediaError: It is not in the folders, or cannot be read.
        """
        return self.use(read_source_facts(self.folders.find(text)))

    def use(self, facts: SourceFacts) -> SourceFacts:
        """Take a source that was opened."""
        self.places = Places()
        self._change(self.project.opened(facts), source=True)
        return facts

    def set(self, name: str, value: Any) -> None:
        """Change a setting. Raises SettingsError."""
        project = self.project.with_setting(name, value)
        self.folders.check_settings(project.look.settings)
        self._change(project)

    def take(self, settings: Mapping[str, Any], name: str = "") -> None:
        """Take a look as a whole. Raises SettingsError."""
        self.folders.check_settings(settings)
        self._change(self.project.with_look(settings, name))

    def undo(self) -> None:
        """Go a step back."""
        self._change(self.project.undone())

    def redo(self) -> None:
        """Go a step forward again."""
        self._change(self.project.redone())

    def go_to(self, frame: int) -> None:
        """Look at another frame."""
        self._change(self.project.at(frame), source=True)

    def set_run_in(self, frames: int) -> None:
        """Dream frames before the one that is looked at, too."""
        self._change(replace(self.project, run_in=max(0, min(frames, 100))))

    def begin_here(self) -> None:
        """Let the film begin at the frame that is looked at."""
        self._mark(self.project.beginning_here())

    def end_here(self) -> None:
        """Let the film end with the frame that is looked at."""
        self._mark(self.project.ending_here())

    def take_all(self) -> None:
        """Let the film be as long as the clip."""
        self._mark(replace(self.project, first=0, stop=0))

    def _mark(self, project: Project) -> None:
        self.project = project
        self._tell(PROJECT)

    def set_preview_size(self, size: str) -> None:
        """Look at the preview at another size."""
        if size in PREVIEW_SIZES and size != self.preview_size:
            self.preview_size = size
            self._change(self.project, source=True)

    def set_moving(self, moving: bool) -> None:
        """Show a moving preview, or none."""
        self.is_moving = moving and bool(self.project.source and self.project.source.is_clip)
        self.places.moving = Shown()
        self._ask_for_moving()
        self._tell(PREVIEW)

    def layers(self) -> dict[str, Layer]:
        """Return the layers of the look's network. Raises DreamFlowError."""
        network = self.project.look.settings.get("network", DEFAULT_NETWORK)
        return network_layers(network, self.machine.weights)

    def _change(self, project: Project, *, source: bool = False) -> None:
        """Take a changed project, and ask for its pictures."""
        if project == self.project and not source:
            return
        self.project = project
        self._tell(PROJECT)
        self._ask_for_preview(source)
        self._ask_for_moving()

    # --- pictures

    def show_wall(self, wall: str) -> None:
        """Show another wall, or the same one anew. Raises DreamFlowError."""
        self.wall = wall
        self.tiles = self._list_tiles(wall)
        source = self.project.source
        key = (source and source.path, self.project.frame, [tile.settings for tile in self.tiles])
        if key == self._wall_key:
            self._tell(WALL)
            return
        self._wall_key = key
        self.places.tiles = [Shown(is_waiting=True) for _ in self.tiles]
        generation = next(self._generations)
        self._worker.drop(WALL_LANE, generation)
        for place, tile in enumerate(self.tiles):
            wanted = (WALL_LANE, place, generation)
            # All tiles coarse before the first one is fine.
            self._ask(*wanted, WALL_PRIORITY, WALL_SIZE, tile.settings, coarse=True, full=False)
            self._ask(*wanted, FINE_WALL_PRIORITY, WALL_SIZE, tile.settings)
        self._tell(WALL)

    def vary_again(self) -> None:
        """Show other neighbours of the look. Raises DreamFlowError."""
        self._variation_round += 1
        self.show_wall(VARIATIONS_WALL)

    def toggle_favourite(self) -> None:
        """Keep the look, or let go of it. Raises OutputError."""
        look = self.project.look
        self.favourites.toggle(look.name or "a look", look.settings)
        self._tell(PROJECT)

    def _list_tiles(self, wall: str) -> list[Tile]:
        look = self.project.look.settings
        if wall == VARIATIONS_WALL:
            return make_variations(look, list(self.layers()), self._variation_round)
        if wall == FAVOURITES_WALL:
            return [Tile(one.name, "", one.settings) for one in self.favourites.looks]
        return list_wall(wall, look, self.layers())

    def _ask_for_preview(self, source: bool) -> None:
        if self.project.source is None:
            return
        generation = next(self._generations)
        self.places.after = replace(self.places.after, is_waiting=True, failure="")
        if source:
            self.places.before = replace(self.places.before, is_waiting=True)
            before = ("before", generation, SOURCE_SETTINGS)
            self._ask(before[0], 0, before[1], TUNE_PRIORITY, self.preview_size, before[2])
        settings = self.project.look.settings
        self._ask(
            *(TUNE_LANE, 0, generation, TUNE_PRIORITY, self.preview_size, settings),
            coarse=True,
            run_in=self.project.run_in,
        )
        self._tell(PREVIEW)

    def _ask_for_moving(self) -> None:
        generation = next(self._generations)
        if not self.is_moving or self.project.source is None:
            self._worker.drop(MOVING_LANE, generation)
            return
        self.places.moving = replace(self.places.moving, is_waiting=True, failure="")
        settings = self.project.look.settings
        self._ask(
            *(MOVING_LANE, 0, generation, MOVING_PRIORITY, DEFAULT_PREVIEW_SIZE, settings),
            run_in=self.project.run_in,
            moving_s=MOVING_S,
        )

    def _ask(
        self,
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
        source = self.project.source
        if source is None:
            return
        number = next(self._numbers)
        self._wanted[number] = (lane, place)
        at = str(self.project.frame) if source.is_clip else "50%"
        self._worker.ask(
            PreviewRequest(
                number=number,
                lane=lane,
                generation=generation,
                source=str(source.path),
                at=at,
                size=size,
                run_in=run_in if source.is_clip else 0,
                settings=dict(settings),
                priority=priority,
                coarse=coarse,
                full=full,
                moving_s=moving_s,
            )
        )

    def _hear(self, answer: Answer) -> None:
        self._in_loop(lambda: self.take_answer(answer))

    def take_answer(self, answer: Answer) -> None:
        """Show what the worker has answered."""
        if isinstance(answer, WorkerReady):
            threads = f"{answer.threads} thread{'s' * (answer.threads != 1)}"
            self.is_ready, self.worker_note = True, f"ready, {threads}"
            self._tell(WORKER)
        elif isinstance(answer, WorkerRestarted):
            self.is_ready, self.worker_note = False, f"starting again: {answer.reason}"
            self._tell(WORKER)
        elif isinstance(answer, PreviewDropped):
            self._wanted.pop(answer.number, None)
        else:
            self._show(answer)

    def _show(self, answer: PreviewPicture | PreviewFailed) -> None:
        lane, place = self._wanted.get(answer.number, ("", 0))
        if isinstance(answer, PreviewFailed) or answer.is_last:
            self._wanted.pop(answer.number, None)
        if isinstance(answer, PreviewFailed):
            shown = Shown(failure=answer.message)
        else:
            shown = Shown(
                self.pictures.add(answer.image, answer.media_type),
                answer.is_coarse,
                answer.is_coarse,
                notes=tuple(answer.notes),
                seconds=answer.seconds,
                width=answer.width,
                height=answer.height,
            )
        if lane == WALL_LANE and place < len(self.places.tiles):
            self.places.tiles[place] = shown
            self._tell(f"{WALL}:{place}")
        elif lane == TUNE_LANE:
            self.places.after = shown
            self._tell(PREVIEW)
        elif lane == MOVING_LANE:
            self.places.moving = shown
            self._tell(PREVIEW)
        elif lane:
            self.places.before = shown
            self._tell(PREVIEW)

    def _tell(self, topic: Topic) -> None:
        for listener in list(self._listeners.values()):
            listener(topic)

    def _in_loop(self, call: Callable[[], None]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call)


def default_queue_folder() -> Path:
    """Return the folder of the studio's queue: in `$DREAMFLOW_HOME`, else beside other states."""
    home = os.environ.get("DREAMFLOW_HOME")
    return (Path(home) if home else Path(platformdirs.user_state_dir("dreamflow"))) / "studio"
