"""The sound of the project: what schedules hear of it, what is drawn, and what is played."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from dreamflow.core.schedules.timecode import Timeline
from dreamflow.studio.curves.sound import HeardSound, SoundListener
from dreamflow.studio.looks.controls import open_sound
from dreamflow.studio.project import Project
from dreamflow.studio.strip.document import STRIP_SOUND
from dreamflow.studio.strip.keeper import StripKeeper


class ProjectSound:
    """The sound of the source, or that which the look sets in its place."""

    def __init__(
        self, get_project: Callable[[], Project], strips: StripKeeper, on_change: Callable[[], None]
    ) -> None:
        """Hear nothing yet.

        Args:
            get_project: Returns the project as it is now.
            strips: Have the source's sound as a browser plays it.
            on_change: Called, by a thread, when a sound has been heard.
        """
        self._get_project, self._strips = get_project, strips
        self._listener = SoundListener(on_change)

    @property
    def heard(self) -> HeardSound | None:
        """The sound; None before it is heard, and of a source without."""
        return self._listener.heard

    @property
    def note(self) -> str:
        """How it stands, in words; "" once it is heard."""
        return self._listener.note

    def listen(self) -> None:
        """Hear it, unless it is heard already."""
        source, settings = self._get_project().source, self._get_project().look.settings
        self._listener.listen(source.clip if source else None, open_sound(settings))

    def forget(self) -> None:
        """Let go of it: another source comes."""
        self._listener.forget()

    @property
    def timeline(self) -> Timeline | None:
        """The film's timeline, with what is heard of its sound; None of a picture."""
        project = self._get_project()
        timeline, source = project.timeline, project.source
        if timeline is None or source is None:
            return None
        return self._listener.timeline(timeline, source.frame_time(project.first))

    @property
    def address(self) -> str:
        """Address of what is drawn of it; another one for another sound or film."""
        project = self._get_project()
        return f"/sound/{self._listener.number}-{project.first}-{project.stop}"

    @property
    def played(self) -> Path | None:
        """The file that is heard while the source plays, where it is not the source's own."""
        audio = self._get_project().look.settings.get("audio")
        return Path(audio) if audio else None

    @property
    def played_address(self) -> str:
        """Address of what is heard while the source plays; "" for nothing."""
        if self.played is not None:
            return f"/heard/{quote(self.played.name)}"
        has_own = self._strips.strip.has_sound
        return f"/strip/{self._strips.key}/{STRIP_SOUND}" if has_own else ""
