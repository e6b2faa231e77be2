"""Size, timing, sound and chapters of an output, as its writer needs them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Sound:
    """Sound and subtitle tracks of the source, to go with the frames of an output.

    Attributes:
        path: File that holds the tracks.
        codecs: Codec of each sound track.
        start: Seconds from the start of the file to its first frame.
        begin: Seconds from the file's first frame to the first frame of the output.
        ends_early: Whether the output ends before the file does, so that the tracks are cut.
        subtitle_codecs: Codec of each subtitle track.
        track: Number of the sound track to take; None for all, which `codecs` lists.
    """

    path: Path
    codecs: tuple[str, ...]
    start: Fraction = Fraction(0)
    begin: Fraction = Fraction(0)
    ends_early: bool = False
    subtitle_codecs: tuple[str, ...] = ()
    track: int | None = None


@dataclass(frozen=True)
class Chapter:
    """A named part of a video; begin, end: seconds from its first frame."""

    begin: Fraction
    end: Fraction
    title: str


@dataclass(frozen=True)
class OutputSpec:
    """Size, timing and sound of the frames of an output.

    Attributes:
        width: In pixels.
        height: In pixels.
        rate: Frames per second; the mean where they come unevenly.
        frames: Expected number of frames.
        length: Duration in seconds.
        constant_rate: Whether frames come evenly. Otherwise each frame's time counts.
        pixel_aspect: Width of a pixel over its height.
        sound: Sound and subtitles, or None.
        sources: Files and folders that the output must not replace.
        chapters: Chapters of the frames that are written.
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
        """Return the spec of `frames` evenly spaced frames without sound."""
        return cls(width, height, rate, frames, frames / rate, sources=sources)

    def with_sources(self, files: Iterable[Path]) -> OutputSpec:
        """Return the same spec with further files that the output must not replace."""
        return replace(self, sources=(*self.sources, *files))

    def duration_of(self, frames: int) -> Fraction:
        """Return the seconds that an output of this many frames lasts."""
        return self.length if frames >= self.frames else frames / self.rate

    def to_dict(self) -> dict[str, Any]:
        """Return the spec as values that JSON can hold; fractions as text."""
        plain = {f.name: str(getattr(self, f.name)) for f in fields(self)}
        plain |= {name: getattr(self, name) for name in ("width", "height", "frames")}
        sound = self.sound and {
            **{name: str(getattr(self.sound, name)) for name in ("start", "begin")},
            "path": str(self.sound.path.absolute()),
            "codecs": list(self.sound.codecs),
            "cut": self.sound.ends_early,
            "subtitles": list(self.sound.subtitle_codecs),
            "track": self.sound.track,
        }
        chapters = [[str(c.begin), str(c.end), c.title] for c in self.chapters]
        sources = [str(path.absolute()) for path in self.sources]
        plain |= {"constant_rate": self.constant_rate, "sound": sound, "sources": sources}
        return plain | {"chapters": chapters}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> OutputSpec:
        """Return the spec whose `to_dict` gave these values."""
        return cls(
            width=plain["width"],
            height=plain["height"],
            rate=Fraction(plain["rate"]),
            frames=plain["frames"],
            length=Fraction(plain["length"]),
            constant_rate=plain["constant_rate"],
            pixel_aspect=Fraction(plain["pixel_aspect"]),
            sound=_sound_from_dict(plain["sound"]) if plain["sound"] else None,
            sources=tuple(Path(path) for path in plain["sources"]),
            chapters=tuple(
                Chapter(Fraction(begin), Fraction(end), title)
                for begin, end, title in plain["chapters"]
            ),
        )


def _sound_from_dict(plain: dict[str, Any]) -> Sound:
    return Sound(
        Path(plain["path"]),
        tuple(plain["codecs"]),
        Fraction(plain["start"]),
        Fraction(plain["begin"]),
        plain["cut"],
        tuple(plain["subtitles"]),
        plain.get("track"),
    )
