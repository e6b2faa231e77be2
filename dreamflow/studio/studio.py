"""The studio without its page: one project, one worker, one queue, whoever looks at them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dreamflow.core.errors import MediaError
from dreamflow.core.machine.options import MachineOptions
from dreamflow.networks.weights.registry import DEFAULT_NETWORK
from dreamflow.pipelines.settings.save_preset import read_look_of
from dreamflow.studio.curves.project_sound import ProjectSound
from dreamflow.studio.files.folders import OpenFolders
from dreamflow.studio.files.mattes import PaintedMattes
from dreamflow.studio.files.recent import RecentProject, RecentProjects
from dreamflow.studio.files.uploads import Uploads
from dreamflow.studio.films.expectation import expect_film
from dreamflow.studio.films.renders import RenderQueue
from dreamflow.studio.looks.channels import pick_channel
from dreamflow.studio.looks.controls import SOUND_SETTINGS, find_sound
from dreamflow.studio.looks.favourites import Favourites
from dreamflow.studio.looks.shown_wall import ShownWall
from dreamflow.studio.news import Listener, News
from dreamflow.studio.outside import FilmChoices
from dreamflow.studio.places import PictureStore, Places, Shown
from dreamflow.studio.previews import DEFAULT_PREVIEW_SIZE, PREVIEW, Previews
from dreamflow.studio.project import LookState, Project
from dreamflow.studio.source import SourceFacts, read_source_facts
from dreamflow.studio.source_watch import SourceNews, SourceWatch
from dreamflow.studio.strip.keeper import StripKeeper
from dreamflow.studio.worker.messages import Answer, LayerFacts
from dreamflow.studio.worker.protocol import MakeWorker

PREVIEW_SIZES = ("240", "320", "480", "640", "960")
SEEK_MARGIN_S = 1e-6
MAX_RUN_IN = 100
"""Frames before the one that is looked at which are dreamed at most."""
PROJECT, QUEUE, SOUND, STRIP, SOURCE = "project", "queue", "sound", "strip", "source"
"""What a listener is told has changed, besides what `previews` tells."""


class Studio:
    """The one state behind all browser tabs.

    Attributes:
        folders: What may be read and written.
        queue: The films.
        machine: What is dreamed on.
        favourites: The looks that are kept.
        recent: The projects that were worked on.
        uploads: The files that were dropped.
        mattes: The mattes that were painted.
        previews: The pictures of the project.
        sound: The sound of its source.
        source_note: What is missing of the source, or has become of it; "" for nothing.
        strips: The thumbnails, the shots and the small film of its source.
        project: What is worked on.
        pinned: The look that the dream is compared with; None for the source.
        wall: The looks to choose from.
        preview_size: Longer side of the preview in pixels.
        is_moving: Whether a moving preview is wanted.
    """

    def __init__(
        self,
        folders: OpenFolders,
        queue: RenderQueue,
        machine: MachineOptions,
        make_worker: MakeWorker,
    ) -> None:
        """Put it together; `start` starts it."""
        self.folders, self.queue, self.machine = folders, queue, machine
        self.favourites = Favourites(queue.folder)
        self.recent = RecentProjects(queue.folder)
        self.uploads = Uploads(queue.folder / "uploads")
        self.mattes = PaintedMattes(self.uploads.folder / "mattes")
        folders.add(self.uploads.folder)
        self.project = Project()
        self.pinned: LookState | None = None
        self.preview_size, self.is_moving = DEFAULT_PREVIEW_SIZE, False
        self._news = News()
        self._worker = make_worker(self._hear, machine)
        self.previews = Previews(self._worker, self._tell)
        self.strips = StripKeeper(queue.folder / "strips", lambda: self._news.tell_later(STRIP))
        self.sound = ProjectSound(
            lambda: self.project, self.strips, lambda: self._news.tell_later(SOUND)
        )
        self._source_watch = SourceWatch(self._hear_of_source)
        self.source_note = ""
        self.wall = ShownWall(
            lambda: self.project, self.layers, self.favourites, self.previews, self._tell
        )

    @property
    def places(self) -> Places:
        """Where pictures come."""
        return self.previews.places

    @property
    def pictures(self) -> PictureStore:
        """The pictures that have come."""
        return self.previews.pictures

    def start_worker(self) -> None:
        """Start the worker; its answers wait until `start`."""
        self._worker.start()

    def start(self) -> None:
        """Start the queue, and pass all news on to the running event loop."""
        self._news.start()
        self.queue.start()
        self._source_watch.start()
        self._clear_mattes()

    def close(self) -> None:
        """End the worker, and let go of the queue; renders go on."""
        self._worker.close()
        self._source_watch.close()
        self.queue.close()
        self.strips.close()
        self.recent.write()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Have a function called at each change; returns a function that ends this."""
        return self._news.subscribe(listener)

    def tell_queue(self) -> None:
        """Tell that the queue has changed; may be called by any thread."""
        self._news.tell_later(QUEUE)

    def take_answer(self, answer: Answer) -> None:
        """Show what the worker has answered."""
        self.previews.take_answer(answer)

    # --- the source

    def read(self, text: str) -> SourceFacts:
        """Return the facts of a source by its path; any thread may.

        Raises:
            MediaError: It is not in the folders, or cannot be read.
        """
        return read_source_facts(self.folders.find(text))

    def open(self, text: str) -> SourceFacts:
        """Open a source by its path. Raises MediaError, as `read`."""
        return self.use(self.read(text))

    def use(self, facts: SourceFacts, project: Project | None = None) -> SourceFacts:
        """Take a source that was opened, with a project of it, or with the look at hand."""
        self.previews.forget()
        self.sound.forget()
        self.strips.close()
        self._source_watch.follow(facts.path)
        self.wall.forget()
        self.source_note = "; ".join(facts.notes)
        self._change(project or self.project.opened(facts), source=True)
        self._tell(SOURCE)
        self._clear_mattes()
        return facts

    def _hear_of_source(self, news: SourceNews) -> None:
        self._news.call_later(lambda: self.take_source_news(news))

    def take_source_news(self, news: SourceNews) -> None:
        """Open a source anew that has changed on the disk; tell of one that is gone or broken."""
        source = self.project.source
        if source is None or source.path != news.path:
            return
        if news.facts is not None:
            self.use(news.facts, self.project.reopened(news.facts))
            self.watch()
            if self.wall.tiles:
                self.wall.show(self.wall.name)
        elif not news.note:  # it is back: what has failed meanwhile is asked for again
            self._change(self.project, source=True)
        missing = news.facts.notes if news.facts else ()
        self.source_note = "; ".join(filter(None, [news.note, *missing]))
        self._tell(SOURCE)

    def resume(self, recent: RecentProject) -> None:
        """Go on with a project. Raises MediaError where its source cannot be read."""
        facts = read_source_facts(self.folders.find(recent.source))
        self.folders.check_settings(recent.settings)
        self.use(facts, recent.project(facts))

    def go_to(self, frame: int) -> None:
        """Look at another frame."""
        self._change(self.project.at(frame), source=True)

    def set_run_in(self, frames: int) -> None:
        """Dream frames before the one that is looked at, too."""
        self._change(replace(self.project, run_in=max(0, min(frames, MAX_RUN_IN))))

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
        if project.is_scheduled:  # its schedules count from the film's first frame
            self._change(project)
            return
        self.project = project
        self.recent.keep(project)
        self._tell(PROJECT)

    def watch(self) -> None:
        """Have the source's thumbnails, shots and small film made, unless they are there."""
        source = self.project.source
        if source is not None and source.is_clip:
            self.strips.open(source.path)

    def seek(self, seconds: float) -> None:
        """Look at the frame that is shown some seconds after the source's first one."""
        if self.project.source is not None:
            # A frame's time may be rounded down on its way through the browser.
            self.go_to(self.project.source.frame_at(seconds + SEEK_MARGIN_S))

    def expect_film(self, film: FilmChoices) -> str:
        """Return in words what a film of the project takes, as far as that is known of it."""
        found, source = self.places.film, self.project.source
        if found.film != film or source is None:
            return ""
        if found.measured is None:
            return found.failure or "measuring a few frames of it"
        first, stop = self.project.first, self.project.stop or source.frames
        cuts = sum(first < cut < stop for cut in self.strips.strip.cuts)
        length_s = source.frame_time(stop) - source.frame_time(first)
        return expect_film(found.measured, stop - first, length_s, cuts).text

    # --- the look

    def set(self, name: str, value: Any) -> None:
        """Change a setting. Raises SettingsError."""
        project = self.project.with_setting(name, value)
        self.folders.check_settings(project.look.settings)
        self._change(project)

    @property
    def matte(self) -> Path | None:
        """The matte of the look; None for none."""
        matte = self.project.look.settings.get("matte")
        return Path(matte) if matte else None

    def take_painting(self, content: bytes) -> Path:
        """Take a PNG that was painted over the source as the look's matte, and return its path.

        Raises:
            MediaError: No source is open, or it is no PNG.
            OutputError: It cannot be kept.
        """
        if self.project.source is None:
            raise MediaError("open a clip first: a matte is painted over it")
        path = self.mattes.keep(content, self.project.source.path)
        self.set("matte", str(path))
        return path

    def keep_matte(self) -> None:
        """Never clear the look's painted matte away: the look leaves the studio, as text."""
        if self.matte is not None:
            self.mattes.keep_for_ever(self.matte)

    def _clear_mattes(self) -> None:
        """Clear the painted mattes away that no look refers to any more."""
        looks = [*self.project.past, self.project.look, *self.project.future, self.pinned]
        kept = [*self.favourites.looks, *self.recent.projects, *self.queue.renders]
        used = {str(one.settings.get("matte", "")) for one in (*looks, *kept) if one is not None}
        self.mattes.clear(used)

    def take(self, settings: Mapping[str, Any], name: str = "") -> None:
        """Take a look as a whole; the sound stays, unless it has one. Raises SettingsError."""
        settings = {**find_sound(self.project.look.settings), **settings}
        self.folders.check_settings(settings)
        self._change(self.project.with_look(settings, name))

    def take_look_of(self, output: Path) -> None:
        """Take the look of a film or picture that DreamFlow made, and its strength.

        Raises:
            SettingsError: It holds no settings, or wrong ones.
        """
        self.take(read_look_of(output, also={"strength"}), output.stem)

    def undo(self) -> None:
        """Go a step back."""
        self._change(self.project.undone())

    def redo(self) -> None:
        """Go a step forward again."""
        self._change(self.project.redone())

    def toggle_favourite(self) -> None:
        """Keep the look, or let go of it. Raises OutputError."""
        look = self.project.look
        own = {n: v for n, v in look.settings.items() if n not in SOUND_SETTINGS}
        self.favourites.toggle(look.name or "a look", own)
        self._tell(PROJECT)

    def layers(self) -> dict[str, LayerFacts]:
        """Return the layers of the look's network; none before the worker has listed them."""
        return self.previews.layers(self.project.look.settings.get("network", DEFAULT_NETWORK))

    # --- what is shown

    def set_preview_size(self, size: str) -> None:
        """Look at the preview at another size."""
        if size in PREVIEW_SIZES and size != self.preview_size:
            self.preview_size = size
            self._change(self.project, source=True)

    def set_moving(self, moving: bool) -> None:
        """Show a moving preview, or none."""
        self.is_moving = moving and bool(self.project.source and self.project.source.is_clip)
        self.places.moving = Shown()
        self.previews.ask_for_moving(self.project, self.is_moving)
        self._tell(PREVIEW)

    def pin(self) -> None:
        """Compare with this look from now on."""
        self.pinned = self.project.look
        self.places.pinned = Shown()
        self.previews.ask_for_pinned(self.project, self.preview_size, self.pinned)
        self._tell(PREVIEW)

    def unpin(self) -> None:
        """Compare with the source again."""
        self.pinned = None
        self._tell(PREVIEW)

    def pick_channel(self, channel: int) -> None:
        """Dream on a channel of the look's layer, or not on it any more. Raises SettingsError."""
        if sheet := self.wall.sheet:
            self.take(pick_channel(self.project.look.settings, sheet, channel))

    def _change(self, project: Project, *, source: bool = False) -> None:
        """Take a changed project, and ask for its pictures.

        Args:
            project: The project.
            source: Whether another frame is shown, or the same one otherwise.
        """
        if project == self.project and not source:
            return
        self.project = project
        # The worker begins while the page is told.
        if source and project.source is not None:
            self.previews.ask_for_source(project, self.preview_size)
            if self.pinned is not None:
                self.previews.ask_for_pinned(project, self.preview_size, self.pinned)
        self.previews.ask_for_dream(project, self.preview_size)
        self.previews.ask_for_moving(project, self.is_moving)
        self.recent.keep(project)
        self._tell(PROJECT)

    def _hear(self, answer: Answer) -> None:
        self._news.call_later(lambda: self.take_answer(answer))

    def _tell(self, topic: str) -> None:
        self._news.tell(topic)
