"""What is worked on: the source, the frame that is looked at, and the look with its history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from dreamflow.core.errors import DreamFlowError, named
from dreamflow.core.schedules.timecode import Timeline
from dreamflow.pipelines.settings.looks import Look
from dreamflow.pipelines.settings.presets import validate_settings
from dreamflow.studio.looks.controls import check_look, find_changes, parse_setting
from dreamflow.studio.source import SourceFacts


@dataclass(frozen=True)
class LookState:
    """A step of the history: the settings that differ from the defaults, and what they are called.

    Attributes:
        settings: Plain values by name.
        name: Such as the preset that they come from; "" for settings of one's own.
    """

    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    name: str = ""


@dataclass(frozen=True)
class Project:
    """A source, a frame of it, and a look with its history; each change makes a new one.

    Attributes:
        source: Facts of the source; None before one is opened.
        frame: Number of the frame that is looked at.
        run_in: Frames before it that are dreamed too.
        first: Number of the first frame of the film.
        stop: Number of the frame that it stops before; 0 for the end.
        past: The looks before this one, oldest first.
        look: The look.
        future: The looks that were undone, the next one last.
    """

    source: SourceFacts | None = None
    frame: int = 0
    run_in: int = 0
    first: int = 0
    stop: int = 0
    past: tuple[LookState, ...] = ()
    look: LookState = LookState()
    future: tuple[LookState, ...] = ()

    def opened(self, source: SourceFacts) -> Self:
        """Return the project with another source, at its middle; the look stays."""
        return replace(self, source=source, frame=source.frames // 2, first=0, stop=0)

    def reopened(self, source: SourceFacts) -> Self:
        """Return the project with its source as it is now, which may be shorter than it was."""
        first = self.first if self.first < source.frames else 0
        stop = self.stop if first < self.stop < source.frames else 0
        return replace(self, source=source, first=first, stop=stop).at(self.frame)

    def at(self, frame: int) -> Self:
        """Return the project at another frame, at most the last."""
        last = self.source.frames - 1 if self.source else 0
        return replace(self, frame=max(0, min(frame, last)))

    def beginning_here(self) -> Self:
        """Return the project with the film beginning at the frame that is looked at."""
        stop = self.stop if self.stop > self.frame else 0
        return replace(self, first=self.frame, stop=stop)

    def ending_here(self) -> Self:
        """Return the project with the film ending with the frame that is looked at."""
        frames = self.source.frames if self.source else 0
        stop = self.frame + 1 if self.frame + 1 < frames else 0
        return replace(self, first=self.first if self.first <= self.frame else 0, stop=stop)

    @property
    def timeline(self) -> Timeline | None:
        """The film's timeline, which schedules refer to; None of a picture."""
        if self.source is None or not self.source.is_clip:
            return None
        return self.source.film_timeline(self.first, self.stop)

    @property
    def film_seconds(self) -> float:
        """Seconds from the film's first frame to the one that is looked at."""
        if self.source is None:
            return 0.0
        return float(self.source.frame_time(self.frame) - self.source.frame_time(self.first))

    @property
    def is_scheduled(self) -> bool:
        """Whether a setting of the look changes over time."""
        return Look().over("", validate_settings(self.look.settings, "the look")).is_scheduled

    @property
    def span_text(self) -> str:
        """What of the clip the film takes, in words; "" for all of it."""
        if not self.source or not (self.first or self.stop):
            return ""
        stop = self.stop or self.source.frames
        seconds = float((stop - self.first) / self.source.rate) if self.source.is_clip else 0
        return f"frames {self.first} to {stop - 1}, {seconds:.2f} s"

    def with_setting(self, name: str, value: Any) -> Self:
        """Return the project with a setting changed.

        Raises:
            SettingsError: The value is wrong, or does not fit the other settings.
        """
        return self.with_look({**self.look.settings, name: parse_setting(name, value)})

    def with_look(self, settings: Mapping[str, Any], name: str = "") -> Self:
        """Return the project with another look; the one before is a step back.

        Raises:
            SettingsError: The settings are wrong.
        """
        changed = find_changes(settings)
        check_look(changed)
        if changed == self.look.settings:
            return replace(self, look=LookState(changed, name or self.look.name))
        past = (*self.past, self.look)
        return replace(self, past=past, look=LookState(changed, name), future=())

    def undone(self) -> Self:
        """Return the project a step back; the same at the beginning."""
        if not self.past:
            return self
        *past, look = self.past
        future = (*self.future, self.look)
        return replace(self, past=tuple(past), look=look, future=future)

    def redone(self) -> Self:
        """Return the project a step forward again; the same where nothing was undone."""
        if not self.future:
            return self
        *future, look = self.future
        past = (*self.past, self.look)
        return replace(self, past=past, look=look, future=tuple(future))


def describe_error(error: Exception) -> str:
    """Return an error's message with settings named as the page names them."""
    text = (
        error.worded(lambda name: name.replace("_", " "))
        if isinstance(error, DreamFlowError)
        else str(error)
    )
    assert named("") not in text
    return text
