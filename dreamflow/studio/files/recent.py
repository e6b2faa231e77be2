"""Projects that were worked on: kept while one works, so that a killed studio loses nothing."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated, Self

import msgspec
from msgspec import Meta, Struct, field

from dreamflow.core.errors import DreamFlowError
from dreamflow.core.files.documents import (
    Count,
    DocumentError,
    PathText,
    ShortText,
    fit_schema,
    parse_json,
)
from dreamflow.core.files.regular_file import read_file_text
from dreamflow.media.files.atomic_file import atomic_write
from dreamflow.media.records.record_schema import Settings
from dreamflow.studio.looks.controls import check_look, find_changes
from dreamflow.studio.project import LookState, Project
from dreamflow.studio.source import SourceFacts

RECENT_FILE = "recent.json"
MAX_RECENT = 12
WRITE_DELAY_S = 0.5
"""Seconds after a change until it is on the disk, with those that have come since."""


class RecentProject(Struct, frozen=True, kw_only=True):
    """A project as it is kept; see `Project`."""

    source: PathText
    frame: Count = 0
    first: Count = 0
    stop: Count = 0
    name: ShortText = ""
    settings: Settings = field(default_factory=Settings)

    @classmethod
    def of(cls, project: Project) -> Self:
        """Return what is kept of a project with a source."""
        assert project.source is not None
        return cls(
            source=str(project.source.path),
            frame=project.frame,
            first=project.first,
            stop=project.stop,
            name=project.look.name[:200],
            settings=dict(project.look.settings),
        )

    def project(self, source: SourceFacts) -> Project:
        """Return the project with its source, which may be shorter than it was."""
        look = LookState(self.settings, self.name)
        kept = Project(frame=self.frame, first=self.first, stop=self.stop, look=look)
        return kept.reopened(source)


class RecentDocument(Struct, frozen=True):
    """The file."""

    projects: Annotated[list[RecentProject], Meta(max_length=100)]


class RecentProjects:
    """The projects, latest first.

    Attributes:
        projects: The projects.
        notes: What was wrong with the file.
    """

    def __init__(self, folder: Path) -> None:
        """Read those of a folder; a damaged file is put aside, and said so."""
        self._path, self.notes = folder / RECENT_FILE, list[str]()
        self.projects = self._read()
        self._lock, self._timer = threading.Lock(), None

    def keep(self, project: Project) -> None:
        """Keep a project as it is now."""
        if project.source is None:
            return
        kept = RecentProject.of(project)
        with self._lock:
            others = [one for one in self.projects if one.source != kept.source]
            self.projects = [kept, *others][:MAX_RECENT]
            if self._timer is None:
                self._timer = threading.Timer(WRITE_DELAY_S, self.write)
                self._timer.daemon = True
                self._timer.start()

    def write(self) -> None:
        """Write what is kept, if that has changed since."""
        with self._lock:
            timer, self._timer = self._timer, None
            if timer is None:
                return
            timer.cancel()
            try:
                with atomic_write(self._path) as part:
                    part.write_bytes(msgspec.json.encode(RecentDocument(self.projects)))
            except (OSError, DreamFlowError) as error:
                self.notes = [f"the recent projects cannot be kept: {error}"]

    def _read(self) -> list[RecentProject]:
        if not self._path.exists():
            return []
        try:
            document = fit_schema(parse_json(read_file_text(self._path)), RecentDocument)
            for one in document.projects:
                check_look(find_changes(one.settings))
        except (OSError, UnicodeError, DocumentError, DreamFlowError) as error:
            aside = self._path.with_suffix(".damaged.json")
            self._path.replace(aside)
            self.notes.append(f"the recent projects were damaged, and are put aside: {error}")
            return []
        return list(document.projects)
