"""What a writer must know of the frames that it will get."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Sound:
    """The sound that goes with the frames.

    path: the film that it is in. codecs: of its tracks. start: seconds from the film's start to its
    first frame. begin: seconds from there to the first frame that is written. cut: whether the
    frames end before the film does, so that the sound must too. subtitles: codecs of the tracks of
    text or pictures that go with it.
    """

    path: Path
    codecs: tuple[str, ...]
    start: Fraction = Fraction(0)
    begin: Fraction = Fraction(0)
    ends_early: bool = False
    subtitle_codecs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chapter:
    """A named part of a film. begin, end: seconds from its first frame."""

    begin: Fraction
    end: Fraction
    title: str


@dataclass(frozen=True)
class OutputSpec:
    """Size, timing and sound of the frames of an output.

    width, height: in pixels. rate: frames per second (the mean, where they come unevenly and each
    frame's time says when it is shown). frames: how many are expected. length: seconds that they
    last. pixel_aspect: width of a pixel over its height. sources: files and folders that the
    output must not replace. chapters: of the frames that are written.
    """

    width: int
    height: int
    rate: Fraction
    frames: int
    length: Fraction
    constant_rate: bool = True
    pixel_aspect: Fraction = Fraction(1)
    sound: Sound | None = None
    sources: tuple[Path, ...] = ()
    chapters: tuple[Chapter, ...] = ()

    @classmethod
    def at_constant_rate(
        cls, width: int, height: int, rate: Fraction, frames: int, *sources: Path
    ) -> OutputSpec:
        """Return the outline of so many frames that come evenly, without sound."""
        return cls(width, height, rate, frames, frames / rate, sources=sources)

    def with_sources(self, files: Iterable[Path]) -> OutputSpec:
        """Return the same of an output that must not replace these files either."""
        return replace(self, sources=(*self.sources, *files))

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values, ready for JSON."""
        plain = {f.name: str(getattr(self, f.name)) for f in fields(self)}
        plain |= {name: getattr(self, name) for name in ("width", "height", "frames")}
        sound = self.sound and {
            **{name: str(getattr(self.sound, name)) for name in ("start", "begin")},
            "path": str(self.sound.path.absolute()),
            "codecs": list(self.sound.codecs),
            "cut": self.sound.ends_early,
            "subtitles": list(self.sound.subtitle_codecs),
        }
        chapters = [[str(c.begin), str(c.end), c.title] for c in self.chapters]
        sources = [str(path.absolute()) for path in self.sources]
        plain |= {"constant_rate": self.constant_rate, "sound": sound, "sources": sources}
        return plain | {"chapters": chapters}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> OutputSpec:
        """Return the outline that `as_plain` was called on."""
        ratios = {name: Fraction(plain[name]) for name in ("rate", "length", "pixel_aspect")}
        if sound := plain["sound"]:
            sound = Sound(
                Path(sound["path"]),
                tuple(sound["codecs"]),
                Fraction(sound["start"]),
                Fraction(sound["begin"]),
                sound["cut"],
                tuple(sound["subtitles"]),
            )
        chapters = tuple(
            Chapter(Fraction(begin), Fraction(end), title)
            for begin, end, title in plain["chapters"]
        )
        sources = tuple(Path(path) for path in plain["sources"])
        return cls(**{**plain, **ratios, "sound": sound, "sources": sources, "chapters": chapters})
